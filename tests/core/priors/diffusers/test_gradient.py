"""The gradient of score distillation at the picture, through the networks of a folder, for every parametrisation."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.diffusers.image import image_prior
from a124core.priors.diffusers.offload import OffloadPolicy
from a124core.priors.parameterization import EPS, FLOW, V
from a124core.priors.sds import sds
from a124core.protocols import View
from tests.tiny_folders import SD

SCHEDULES = {
    EPS: SD, V: SD | {"prediction_type": "v_prediction"},
    FLOW: {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0},
}  # fmt: skip


def folder_of(kind: str, models: Path, to: Path) -> Path:
    """Stable Diffusion with another scheduler: the same weights, read in another way."""
    shutil.copytree(models / "stable-diffusion-v1-5", to / "sd")
    (to / "sd" / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULES[kind]))
    return to / "sd"


def eps_hat(kind: str, prior: FolderPrior, z: Tensor, eps: Tensor, sigma: Tensor, step: Tensor) -> Tensor:
    """What the bare UNet says of the noise, with guidance 7, each parametrisation in its own letters."""
    a, s = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
    share = sigma / (1 + sigma)
    z_t = (1 - share) * z + share * eps if kind == FLOW else a * z + s * eps
    conds = prior.conditions.conds
    told = step if kind != FLOW else 1000 * share.flatten()  # diffusers' own timesteps of this scheduler
    cond, uncond = (prior.network.unet(z_t, told, conds[n].expand(2, -1, -1)).sample for n in ("plain", "negative"))
    out = uncond + 7.0 * (cond - uncond)
    return {EPS: out, V: a * out + s * z_t, FLOW: z_t + (1 - share) * out}[kind]


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_gradient_at_the_picture_is_the_literal_formula(
    kind: str, models: Path, tmp_path: Path, seen: View, rng: torch.Generator
) -> None:
    """w (eps_hat - eps) dz/dpicture with w = 1 - abar, in one autograd graph through the VAE."""
    prior = image_prior(folder_of(kind, models, tmp_path), "a panda", 7.0, 16, OffloadPolicy())
    seen = replace(seen, cameras=seen.cameras[:2], view_text=False)
    image, step = torch.rand(2, 3, 16, 16, generator=rng).requires_grad_(True), torch.tensor([250, 600])
    sigma, eps = prior.sigmas[step], torch.randn(2, 4, 8, 8, generator=rng)
    (found,) = torch.autograd.grad(sds(prior, prior.encode(image), seen, sigma, eps).sum(), image)
    vae, s = prior.encoder.vae, sigma.view(2, 1, 1, 1)
    z = vae.encode(2 * image - 1).latent_dist.mean * vae.config.scaling_factor
    with torch.no_grad():
        error = eps_hat(kind, prior, z, eps, s, step) - eps
    (wanted,) = torch.autograd.grad(z, image, s**2 / (1 + s**2) * error)
    assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
