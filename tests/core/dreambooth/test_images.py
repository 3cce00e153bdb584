"""What DreamBooth learns from: the picture, renderings, and what the model makes of noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.dreambooth.config import DreamBoothConfig
from a124core.dreambooth.sample import repaired, sample, sigma_path
from a124core.dreambooth.subject import SubjectImages, cut_out, subject_of, with_renderings
from a124core.priors.noise import scaled_linear_sigmas
from a124core.reference.reference import make_reference
from a124core.render.clip import ImageOptions, render_clip
from tests.core.conftest import Balls

MEANS = {"": 0.0, "robot": 0.5, "robot, side view": 0.25}


@dataclass
class Gaussian:
    """The exact denoiser of a Gaussian of one mean for each prompt; images are their own latents."""

    std: float = 0.5
    sigmas: Tensor = field(default_factory=scaled_linear_sigmas)

    def encode(self, image: Tensor) -> Tensor:
        return image

    def decode(self, x0: Tensor) -> Tensor:
        return x0

    def denoise(self, x_t: Tensor, sigma: Tensor, prompts: list[str]) -> Tensor:
        mean, s = torch.tensor([MEANS[p] for p in prompts]).view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1)
        return (self.std**2 * x_t + s**2 * mean) / (self.std**2 + s**2)


def test_sampling_follows_the_flow_of_a_gaussian() -> None:
    """Its probability flow is known: x - m keeps its ratio to sqrt(std^2 + sigma^2)."""
    model, rng = Gaussian(), torch.Generator().manual_seed(0)
    path = sigma_path(model.sigmas, 1.0, 1000)
    assert path[0] == model.sigmas[-1] and path[-1] == 0 and len(path) == 1001
    start = path[0] * torch.randn(2, 3, 4, 4, generator=rng)
    found = sample(model, start, ["robot"] * 2, path, 1.0)
    expected = 0.5 + (start - 0.5) * 0.5 / (0.25 + path[0] ** 2).sqrt()
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)


def test_sampling_is_guided() -> None:
    """With no spread the denoiser is its mean, and the guided one uncond + cfg (cond - uncond)."""
    found = sample(Gaussian(std=0.0), torch.ones(1, 3, 2, 2), ["robot"], torch.tensor([3.0, 1.0, 0.0]), 3.0)
    torch.testing.assert_close(found, torch.full((1, 3, 2, 2), 1.5))


def test_the_path_of_a_share_begins_there() -> None:
    sigmas = scaled_linear_sigmas()
    path = sigma_path(sigmas, 0.4, 5)
    assert path[0] == sigmas[400] and (path[1:] < path[:-1]).all()


def test_renderings_are_repaired_within_their_outlines_and_the_picture_is_not() -> None:
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(2, 4, 8, 8, generator=rng)
    images[:, 3] = (torch.arange(8) < 5).float()
    images[:, :3] *= images[:, 3:]
    subject = SubjectImages(images, ("front view", "side view"))
    config = DreamBoothConfig("sks robot", "robot", strength=0.6, cfg=1.0, sampling_steps=20)
    found = repaired(subject, Gaussian(std=0.01), config, rng, None)
    assert torch.equal(found.images[0], images[0]) and torch.equal(found.images[1, 3], images[1, 3])
    assert (found.images[1, :3, :, 5:] == 0).all()
    inside = found.images[1, :3, :, :5]
    assert (inside - 0.25).abs().max() < 0.05, "what the model knows under the class prompt from that side"
    assert torch.equal((found.images[1] * 255).round() / 255, found.images[1]), "8 bits"
    kept = repaired(subject, Gaussian(), DreamBoothConfig("sks", class_weight=0.0, strength=0.0), rng, None)
    assert kept is subject


def test_the_picture_is_its_square_and_a_cut_out_keeps_its_coverage() -> None:
    image = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    plain = subject_of(image, 12)
    assert torch.equal(plain.images[0, :3], image[0, :, :, 4:16]) and (plain.images[0, 3] == 1).all()
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1.0
    reference = make_reference(torch.rand(1, 3, 32, 32), mask, mask_marks="subject")
    covered = subject_of(cut_out(reference), 32).images
    torch.testing.assert_close(covered[:, :3] + 1 - covered[:, 3:], reference.composite(32))


def test_renderings_come_from_evenly_around_with_the_names_of_their_sides(balls: Balls) -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1.0
    camera = make_cameras(10.0, 30.0, 1.9, 45.0)
    reference = make_reference(torch.rand(1, 3, 32, 32), mask, mask_marks="subject", camera=camera)
    subject = with_renderings(subject_of(cut_out(reference), 24), balls, reference, 3, "cpu")
    assert subject.sides == ("front view", "side view", "back view", "side view")
    assert subject.images.shape == (4, 4, 24, 24)
    cameras = make_cameras(10.0, [120.0, 210.0, 300.0], 1.9, 45.0)
    expected = render_clip(balls, cameras, torch.zeros(3), ImageOptions(24, normals=False))
    on_white = subject.images[1:, :3] + 1 - subject.images[1:, 3:]
    torch.testing.assert_close(on_white, expected.image, atol=1e-4, rtol=0)
    assert 0.01 < float(subject.images[1:, 3].mean()) < 0.5
