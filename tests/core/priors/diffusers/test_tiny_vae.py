"""A tiny VAE in the place of a folder's own, for drafts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.image import image_prior
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.diffusers.refine import refine_prior
from a124core.priors.diffusers.upscale import upscale_prior
from a124core.priors.diffusers.video import video_prior
from a124core.priors.diffusers.view import view_prior
from a124core.priors.zero123_pose import ZERO123
from a124core.protocols import View
from a124core.reference.reference import Reference
from tests import tiny_folders

FOLDERS = {"image": "stable-diffusion-v1-5", "refine": "stable-diffusion-v1-5", "video": "text-to-video-ms-1.7b"}


def with_tiny_vae(models: Path, name: str, to: Path) -> Path:
    shutil.copytree(models / name, to / name)
    shutil.rmtree(to / name / "vae")
    tiny_folders.tiny_vae(to / name)
    return to / name


def loaded(role: str, folder: Path, models: Path) -> FolderPrior:
    if role == "video":
        return video_prior(folder, "a panda", 3.0, 16, OffloadPolicy())
    if role == "refine":
        return refine_prior(folder, models / "control_v11f1e_sd15_tile", "a panda", 3.0, 16, OffloadPolicy())
    return image_prior(folder, "a panda", 3.0, 16, OffloadPolicy())


@pytest.mark.parametrize("role", FOLDERS)
def test_its_latents_are_taken_as_they_come_and_have_the_joint_gradient(
    role: str, models: Path, tmp_path: Path, seen: View, rng: torch.Generator
) -> None:
    prior = loaded(role, with_tiny_vae(models, FOLDERS[role], tmp_path), models)
    image = torch.rand(3, 3, 16, 16, generator=rng).requires_grad_(True)
    wanted = prior.encoder.vae.encode(2 * image - 1).latents
    wanted = wanted.transpose(0, 1)[None] if role == "video" else wanted
    found = prior.encode(image)
    assert torch.allclose(found, wanted, atol=1e-5)
    pull = torch.randn(found.shape, generator=rng)
    ours, theirs = (torch.autograd.grad(x, image, pull)[0] for x in (found, wanted))
    assert torch.allclose(ours, theirs, atol=1e-5) and theirs.abs().sum() > 0
    guess = prior.denoise(found.detach(), prior.sigmas[400].expand(len(found)), seen)
    assert guess.shape == found.shape and guess.isfinite().all()


def test_roles_that_were_trained_on_other_latents_refuse_it(models: Path, tmp_path: Path, picture: Reference) -> None:
    """Zero123 is told unscaled latents, and the upscaler's are its own."""
    view, upscale = (with_tiny_vae(models, n, tmp_path) for n in ("zero123-xl", "stable-diffusion-x4-upscaler"))
    with pytest.raises(ValueError, match="AutoencoderTiny, and AutoencoderKL is needed"):
        view_prior(view, picture, ZERO123, 3.0, 16, OffloadPolicy())
    with pytest.raises(ValueError, match="AutoencoderTiny, and AutoencoderKL is needed"):
        upscale_prior(upscale, "a panda", 3.0, 32, 20, OffloadPolicy())


def test_one_of_another_family_is_told_by_its_channels(models: Path, tmp_path: Path) -> None:
    folder = with_tiny_vae(models, FOLDERS["image"], tmp_path)
    shutil.rmtree(folder / "vae")
    tiny_folders.tiny_vae(folder, latent_channels=16)
    with pytest.raises(ValueError, match="writes 16 channels, 4 are needed"):
        image_prior(folder, "a panda", 3.0, 16, OffloadPolicy())
