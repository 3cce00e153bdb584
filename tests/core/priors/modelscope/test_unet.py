"""The video UNet: both layouts, sizes read from the weights, what time does to it, and clear refusals."""

from __future__ import annotations

import math

import pytest
import torch

from a124core.priors.modelscope.layouts import to_original
from a124core.priors.modelscope.unet import check_shapes, load_unet, shapes_of, sinusoids
from tests.tiny_modelscope import TINY, TINY_DEEP, Sizes, random_weights, rows


def inputs(sizes: Sizes, size: tuple[int, int, int] = (3, 8, 8)) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(2, 4, *size, generator=rng)
    return x, torch.tensor([20.0, 700.0]), torch.randn(2, 5, sizes.context, generator=rng)


@pytest.mark.parametrize("sizes", [TINY, TINY_DEEP])
def test_both_layouts_are_the_same_network(sizes: Sizes) -> None:
    original, theirs = (random_weights(sizes, layout) for layout in ("original", "diffusers"))
    converted = to_original(theirs)
    assert converted.keys() == original.keys()
    assert all(torch.equal(converted[name], original[name]) for name in original)
    with torch.no_grad():
        ours, other = (load_unet(w)(*inputs(sizes)) for w in (original, theirs))
    assert ours.shape == (2, 4, 3, 8, 8) and ours.isfinite().all() and ours.std() > 0.01
    assert torch.equal(ours, other)


@pytest.mark.parametrize("sizes", [TINY, TINY_DEEP, Sizes()])
def test_the_network_has_exactly_the_published_weights(sizes: Sizes) -> None:
    named = {ours: shape for ours, _, shape in rows(sizes)}
    assert shapes_of(check_shapes(named).state_dict()) == named


def test_the_published_size() -> None:
    """1.41 of the 1.7 billion; the rest is the text encoder and the VAE."""
    assert sum(math.prod(shape) for _, _, shape in rows(Sizes())) == 1_411_233_860


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", "unet."])
def test_a_prefix_is_taken_off_and_other_models_in_the_file_are_left_alone(prefix: str) -> None:
    weights = random_weights(TINY, "original")
    packed = {prefix + name: w for name, w in weights.items()} | {"first_stage_model.x": torch.zeros(1)}
    assert to_original(packed).keys() == weights.keys()


def test_items_of_a_batch_and_halves_of_guidance_do_not_know_each_other() -> None:
    unet, (x, t, text) = load_unet(random_weights(TINY, "original")), inputs(TINY)
    with torch.no_grad():
        whole = unet(x, t, text)
        apart = torch.cat([unet(x[i : i + 1], t[i : i + 1], text[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(whole, apart, atol=1e-5, rtol=1e-5)


def test_frames_do_know_each_other() -> None:
    unet, (x, t, text) = load_unet(random_weights(TINY, "original")), inputs(TINY)
    moved = x.clone()
    moved[:, :, 2] += 1.0
    with torch.no_grad():
        change = (unet(moved, t, text) - unet(x, t, text)).abs().amax(dim=(0, 1, 3, 4))
    assert change.min() > 1e-3, change


@pytest.mark.parametrize("size", [(1, 8, 8), (2, 7, 10), (4, 5, 6)])
def test_any_number_of_frames_and_odd_sizes(size: tuple[int, int, int]) -> None:
    with torch.no_grad():
        out = load_unet(random_weights(TINY_DEEP, "original"))(*inputs(TINY_DEEP, size))
    assert out.shape == (2, 4, *size) and out.isfinite().all()


def test_half_precision_weights_stay_so() -> None:
    weights = {name: w.to(torch.bfloat16) for name, w in random_weights(TINY, "original").items()}
    x, t, text = inputs(TINY)
    with torch.no_grad():
        out = load_unet(weights)(x.to(torch.bfloat16), t, text.to(torch.bfloat16))
    assert out.dtype == torch.bfloat16 and out.isfinite().all()


def test_timesteps_as_the_transformer_paper_writes_them() -> None:
    found = sinusoids(torch.tensor([7.0]), 8)[0]
    wanted = [math.cos(7 / 10000 ** (i / 4)) for i in range(4)] + [math.sin(7 / 10000 ** (i / 4)) for i in range(4)]
    torch.testing.assert_close(found, torch.tensor(wanted))


def test_what_is_not_modelscope_is_refused_with_a_sentence() -> None:
    weights = random_weights(TINY, "original")
    with pytest.raises(ValueError, match="text2video_pytorch_model.pth"):
        load_unet({"input_blocks.0.0.weight": torch.zeros(4, 4, 3, 3)})
    with pytest.raises(ValueError, match="1 unknown .fps_embedding.0.weight"):
        load_unet(weights | {"fps_embedding.0.weight": torch.zeros(4, 4)})
    with pytest.raises(ValueError, match="1 missing .out.2.bias"):
        load_unet({name: w for name, w in weights.items() if name != "out.2.bias"})
    with pytest.raises(ValueError, match="out.2.weight"):
        load_unet({name: w for name, w in weights.items() if name != "out.2.weight"})
    with pytest.raises(ValueError, match="1 of another shape"):
        load_unet(weights | {"out.2.bias": torch.zeros(5)})
