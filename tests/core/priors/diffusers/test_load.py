"""What is in memory how often, files of other precisions, and numbers that are none."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from a124core.priors.diffusers.image import image_prior
from a124core.priors.diffusers.load import SHARED, load_part
from a124core.priors.diffusers.offload import OffloadPolicy, offload_policy

SD, UNET = "stable-diffusion-v1-5", "UNet2DConditionModel"


def test_two_priors_of_one_folder_share_their_weights(models: Path) -> None:
    first, second = (image_prior(models / SD, text, 7.0, 16, OffloadPolicy()) for text in ("a", "b"))
    assert first.network.unet is second.network.unet and first.encoder.vae is second.encoder.vae
    key = next(k for k in SHARED if k[1] == "unet")
    del first, second
    gc.collect()
    assert key not in SHARED, "nobody holds them any more"


def test_files_of_sixteen_and_of_mixed_bits(models: Path, tmp_path: Path) -> None:
    """Folders copied with their 16-bit files only, and a file half of which was converted: one precision results."""
    plain = load_part(models / SD, "unet", UNET).state_dict()
    shutil.copytree(models / SD, tmp_path / "sd")
    path = tmp_path / "sd" / "unet" / "diffusion_pytorch_model.safetensors"
    mixed = {n: w.half() if k % 2 else w for k, (n, w) in enumerate(load_file(path).items())}
    save_file(mixed, path.with_name("diffusion_pytorch_model.fp16.safetensors"), {"format": "pt"})
    path.unlink()
    found = load_part(tmp_path / "sd", "unet", UNET).state_dict()
    assert {w.dtype for w in found.values()} == {torch.float32}
    assert all(torch.allclose(found[n], plain[n], atol=2e-3) for n in plain)


def test_latents_that_are_no_numbers_are_told(models: Path) -> None:
    prior = image_prior(models / SD, "a", 7.0, 16, OffloadPolicy())
    with torch.no_grad():
        weight = prior.encoder.vae.quant_conv.weight
        before = weight.clone()
        weight.fill_(float("nan"))
        with pytest.raises(RuntimeError, match="not numbers.*vae folder"):
            prior.encode(torch.rand(1, 3, 16, 16))
        weight.copy_(before)


def test_a_folder_that_does_not_fit_into_memory_is_not_called_damaged(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL

    def full(*given: object, **options: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 5000000000 bytes.")

    monkeypatch.setattr(AutoencoderKL, "from_pretrained", full)
    with pytest.raises(RuntimeError, match="does not fit into the memory that is free: .* leave a role out"):
        load_part(models / SD, "vae", "AutoencoderKL", use="full")


def test_a_size_that_does_not_fit_is_told(models: Path) -> None:
    with pytest.raises(ValueError, match="size is 17: this model needs a multiple of 2"):
        image_prior(models / SD, "a", 7.0, 17, OffloadPolicy())


def test_what_memory_means_on_a_cpu() -> None:
    assert offload_policy("full", "cpu") == OffloadPolicy() and offload_policy("low", "cpu") == OffloadPolicy(
        apart=True
    )


@pytest.mark.gpu
def test_low_memory_parks_the_weights(models: Path, rng: torch.Generator) -> None:
    place = offload_policy("low", "cuda")
    assert place.rest == "cpu" and place.dtype in (torch.bfloat16, torch.float16)
    prior = image_prior(models / SD, "a", 7.0, 16, place)
    x0 = prior.encode(torch.rand(1, 3, 16, 16, generator=rng).cuda())
    from a124core.cameras.rig import make_cameras
    from a124core.protocols import View

    camera = make_cameras(0.0, 0.0)
    guess = prior.denoise(x0, prior.sigmas[[400]], View(camera, camera, torch.zeros(1), torch.ones(3)))
    assert guess.device.type == "cuda" and guess.isfinite().all()
    assert {p.device.type for n in (prior.network.unet, prior.encoder.vae) for p in n.parameters()} == {"cpu"}
