"""A tiny VAE in the place of a folder's own, for drafts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from a124core.protocols import View
from a124core.reference.reference import Reference
from tests import tiny_folders
from tests.tiny_folders import CONTROL, FOLDERS, load_role


def with_tiny_vae(models: Path, name: str, to: Path) -> Path:
    shutil.copytree(models / name, to / name)
    shutil.rmtree(to / name / "vae")
    tiny_folders.tiny_vae(to / name)
    return to / name


@pytest.mark.parametrize("role", ["image", "refine", "video"])
def test_its_latents_are_taken_as_they_come_and_have_the_joint_gradient(
    role: str, models: Path, tmp_path: Path, view: View, rng: torch.Generator
) -> None:
    prior = load_role(role, with_tiny_vae(models, FOLDERS[role], tmp_path), control=models / CONTROL)
    image = torch.rand(3, 3, 16, 16, generator=rng).requires_grad_(True)
    expected = prior.encoder.vae.encode(2 * image - 1).latents
    expected = expected.transpose(0, 1)[None] if role == "video" else expected
    found = prior.encode(image)
    assert torch.allclose(found, expected, atol=1e-5)
    pull = torch.randn(found.shape, generator=rng)
    ours, theirs = (torch.autograd.grad(x, image, pull)[0] for x in (found, expected))
    assert torch.allclose(ours, theirs, atol=1e-5) and theirs.abs().sum() > 0
    x0_hat = prior.denoise(found.detach(), prior.sigmas[400].expand(len(found)), view)
    assert x0_hat.shape == found.shape and x0_hat.isfinite().all()


def test_roles_with_other_latents_refuse_it(models: Path, tmp_path: Path, reference: Reference) -> None:
    """Zero123 gets unscaled latents, and the upscaler has latents of its own."""
    for role in ("view", "upscale"):
        folder = with_tiny_vae(models, FOLDERS[role], tmp_path)
        with pytest.raises(ValueError, match="AutoencoderTiny, and AutoencoderKL is needed"):
            load_role(role, folder, size=32, reference=reference)


def test_one_of_another_family_is_refused_by_its_channels(models: Path, tmp_path: Path) -> None:
    folder = with_tiny_vae(models, FOLDERS["image"], tmp_path)
    shutil.rmtree(folder / "vae")
    tiny_folders.tiny_vae(folder, latent_channels=16)
    with pytest.raises(ValueError, match="16 latent channels, 4 are needed"):
        load_role("image", folder)
