"""Textual inversion on a toy whose optimum is known, its training images, and continuing from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from a124core.export.embedding import load_progress, save_progress
from a124core.inversion.augment import training_canvas, training_images
from a124core.inversion.config import TokenConfig
from a124core.inversion.learn import TEMPLATES, InversionModel, TokenSnapshot, learn_token
from a124core.inversion.steps import LearnRun, LearnStep
from a124core.priors.noise import scaled_linear_sigmas

TEXT = torch.tensor([[1.0, 0.5, 0.0, 0.2], [0.0, 1.0, -0.4, 0.0], [0.3, 0.0, 1.0, 0.0], [0.0, 0.2, 0.0, 1.0]])
UNET = torch.tensor([[0.8, 0.1, 0.0, 0.3], [0.2, 0.9, 0.0, 0.0], [0.0, 0.3, 1.1, -0.2]])
TOY = TokenConfig(steps=600, batch=4, lr=0.02, weight_decay=0.0, size=8, augment=False)
COLOUR = torch.tensor([0.9, 0.3, 0.2]).view(1, 3, 1, 1)


@dataclass
class Toy(InversionModel):
    """A VAE that keeps the mean colour, a linear text encoder, and a linear UNet that ignores its noisy input."""

    initial: Tensor = field(default_factory=lambda: torch.zeros(1, 4))
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)

    def initial_embedding(self) -> Tensor:
        return self.initial

    def encode(self, image: Tensor) -> Tensor:
        return 2.0 * image.mean(dim=(2, 3), keepdim=True) - 1.0

    def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
        return (UNET @ TEXT @ embedding[0]).view(1, 3, 1, 1).expand_as(x_t)

    def decode(self, x0: Tensor) -> Tensor:
        return (x0 + 1) / 2


def learn(
    config: TokenConfig = TOY, image: Tensor | None = None, model: InversionModel | None = None, **run: Any
) -> Tensor:
    image = COLOUR.expand(1, 3, 12, 16) if image is None else image
    return learn_token(image, model or Toy(), config, LearnRun(**run))


def test_the_embedding_finds_the_known_optimum() -> None:
    """The loss is |x0 - W A e|^2 / sigma^2, so at its best W A e is the encoded image."""
    losses: list[float] = []
    token = learn(on_step=lambda step: losses.append(step.loss))
    torch.testing.assert_close(UNET @ TEXT @ token[0], 2 * COLOUR.flatten() - 1, atol=5e-3, rtol=0)
    assert len(losses) == 600 and losses[-1] < 1e-3 * losses[0]


def test_one_step_is_adamw_on_the_eps_error() -> None:
    """Typed out in float64: gradient of mean (eps_hat - eps)^2 with eps_hat = (x_t - x0_hat) / sigma."""
    calls = []

    class Recorded(Toy):
        def denoise(self, x_t: Tensor, sigma: Tensor, embedding: Tensor, templates: list[str]) -> Tensor:
            calls.append((x_t.double(), sigma.double(), templates))
            return super().denoise(x_t, sigma, embedding, templates)

    config = replace(TOY, steps=1, weight_decay=0.1)
    start = torch.tensor([[0.3, -0.2, 0.1, 0.4]])
    found = learn(config, COLOUR.expand(1, 3, 8, 8), Recorded(start), seed=3)
    x_t, sigma, templates = calls[0]
    e = start[0].double().requires_grad_(True)
    s = sigma.view(-1, 1, 1, 1)
    eps = (x_t - (2 * COLOUR.double() - 1)) / s
    eps_hat = (x_t - (UNET.double() @ TEXT.double() @ e).view(1, 3, 1, 1)) / s
    (gradient,) = torch.autograd.grad((eps_hat - eps).square().mean(), e)
    expected = start[0].double() * (1 - config.lr * 0.1) - config.lr * gradient / (gradient.abs() + config.eps)
    torch.testing.assert_close(found[0].double(), expected, atol=1e-6, rtol=1e-5)
    assert len(templates) == 4 and all(t in TEMPLATES for t in templates)


def test_there_are_27_templates_with_one_place_each() -> None:
    assert len(set(TEMPLATES)) == 27 and all(t.count("{}") == 1 for t in TEMPLATES)
    assert TokenConfig().batch == 16 and TokenConfig().steps == 3000 and TokenConfig().lr == 1e-4


def test_chunks_give_the_same_embedding() -> None:
    config = replace(TOY, steps=20, batch=5)
    whole, parts = learn(config), learn(replace(config, chunk=2))
    torch.testing.assert_close(parts, whole, atol=2e-2, rtol=0)  # other noise in each chunk


@pytest.mark.parametrize("augment", [True, False])
def test_continuing_from_a_file_gives_the_same_embedding(augment: bool, tmp_path) -> None:
    config = replace(TOY, steps=12, augment=augment, weight_decay=1e-2)
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1))

    def stop(step: LearnStep) -> None:
        if step.step == 7:
            snapshot = step.snapshot()
            save_progress(tmp_path / "word.safetensors", snapshot.tensors, snapshot.meta)
            raise KeyboardInterrupt

    whole = learn(config, image)
    with pytest.raises(KeyboardInterrupt):
        learn(config, image, on_step=stop)
    resume = TokenSnapshot(*load_progress(tmp_path / "word.safetensors"))
    assert resume.step == 7
    assert torch.equal(learn(config, image, resume=resume), whole)
    with pytest.raises(ValueError, match="other settings"):
        learn(replace(config, lr=0.5), image, resume=resume)


@pytest.mark.parametrize("chunk", [0, 1, 3])
def test_a_step_that_fails_half_way_does_not_change_the_embedding(chunk: int) -> None:
    """Out of memory in the last chunk of step 8: the snapshot of step 7 leads to the same embedding."""
    config = replace(TOY, steps=12, augment=True, chunk=chunk)
    image = torch.rand(1, 3, 12, 16, generator=torch.Generator().manual_seed(1))
    steps: list[LearnStep] = []
    images_in_8: list[int] = []

    class Breaking(Toy):
        def denoise(self, x_t: Tensor, *args: Any) -> Tensor:
            if len(steps) == 7:
                images_in_8.append(len(x_t))
                if sum(images_in_8) == config.batch:  # its last chunk
                    raise MemoryError
            return super().denoise(x_t, *args)

    whole = learn(config, image)
    with pytest.raises(MemoryError):
        learn(config, image, Breaking(), on_step=steps.append)
    assert torch.equal(learn(config, image, resume=steps[-1].snapshot()), whole)


def test_training_images_are_in_0_to_1_at_full_contrast() -> None:
    """The release's augmented branch stayed in [0, 1] where [-1, 1] was due: the range is the encoder's own affair."""
    board = (torch.arange(64).view(1, 1, -1, 1) // 32 + torch.arange(64).view(1, 1, 1, -1) // 32) % 2
    board = board.float().expand(1, 3, -1, -1)
    config = TokenConfig(batch=64, size=64)
    images = training_images(training_canvas(board, config), config, torch.Generator().manual_seed(0))
    assert images.shape == (64, 3, 64, 64)
    assert images.min() >= 0 and images.max() <= 1
    assert images.amax((1, 2, 3)).mean() > 0.95 and images.amin((1, 2, 3)).mean() < 0.05


def test_augmentation_is_as_often_and_as_strong_as_the_recipe_says() -> None:
    """Half are mirrored, a tenth is grey; with every chance at 0 only crops are left and colours stay."""
    left_red = torch.zeros(1, 3, 64, 64)
    left_red[:, 0, :, :32], left_red[:, 2, :, 32:] = 1.0, 1.0
    config = TokenConfig(batch=400, size=16)
    rng = torch.Generator().manual_seed(0)
    images = training_images(training_canvas(left_red, config), config, rng)
    grey = (images.amax(1) - images.amin(1)).amax((1, 2)) < 1e-4
    assert 0.05 < float(grey.float().mean()) < 0.16
    coloured = images[~grey]
    mirrored = coloured[:, 2, :, :4].mean((1, 2)) > coloured[:, 0, :, :4].mean((1, 2))
    assert 0.4 < float(mirrored.float().mean()) < 0.6
    plain = replace(config, turn_share=0.0, jitter_share=0.0, grey_share=0.0, blur_share=0.0, batch=20)
    crops = training_images(training_canvas(left_red, plain), plain, rng)
    assert (crops[:, 1] == 0).all() and (crops.sum(1) - 1).abs().max() < 1e-5


def test_no_augmentation_is_the_image_itself() -> None:
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(training_images(training_canvas(image, TOY), TOY, torch.Generator())[2], image[0])


def test_the_preview_has_image_and_estimate() -> None:
    previews: list[Tensor] = []
    learn(replace(TOY, steps=2), on_step=lambda s: previews.append(s.preview()))
    assert previews[1].shape == (2, 3, 8, 8) and torch.allclose(previews[1][:1], COLOUR.expand(1, 3, 8, 8))


def test_broken_numbers_stop_with_advice() -> None:
    with pytest.raises(RuntimeError, match="full precision"):
        learn(model=Toy(torch.full((1, 4), float("nan"))))


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"lr": 0.0}, {"size": 4}, {"jitter_share": 2.0}])
def test_options_that_cannot_work_are_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        TokenConfig(**wrong)


def test_a_cut_out_gets_a_new_background_in_every_crop() -> None:
    """Where nothing covers it; the subject's colour stays. The crops are those of a whole picture."""
    cut_out = torch.cat((COLOUR.expand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)), dim=1).clone()
    cut_out[..., :8] = 0.0
    config = replace(TOY, batch=6)
    images = training_images(training_canvas(cut_out, config), config, torch.Generator().manual_seed(0))
    assert images.shape == (6, 3, 8, 8) and torch.allclose(images[..., 5:], COLOUR.expand(6, 3, 8, 3), atol=1e-6)
    behind = images[:, :, 0, 0]
    assert torch.equal(images[..., :3], behind[:, :, None, None].expand(6, 3, 8, 3)) and behind.std(0).min() > 0.1
    config = replace(config, augment=True)
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    covered = torch.cat((picture, torch.ones(1, 1, 16, 16)), dim=1)
    crops = [
        training_images(training_canvas(image, config), config, torch.Generator().manual_seed(0))
        for image in (covered, picture)
    ]
    torch.testing.assert_close(*crops)
    assert learn(image=cut_out).isfinite().all()
