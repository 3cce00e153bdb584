"""The gradient of score distillation at the image, through the networks of a folder, for every prediction type."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from a124core.priors.diffusers.denoiser import FolderPrior
from a124core.priors.parameterization import EPS, FLOW, V
from a124core.priors.sds import sds
from a124core.protocols import View
from tests.tiny_folders import SD, load_role

SCHEDULES = {
    EPS: SD, V: SD | {"prediction_type": "v_prediction"},
    FLOW: {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0},
}


def folder_of(prediction_type: str, models: Path, to: Path) -> Path:
    """Stable Diffusion with another scheduler: the same weights, read in another way."""
    shutil.copytree(models / "stable-diffusion-v1-5", to / "sd")
    (to / "sd" / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULES[prediction_type]))
    return to / "sd"


def eps_hat(prediction_type: str, prior: FolderPrior, z: Tensor, eps: Tensor, sigma: Tensor, step: Tensor) -> Tensor:
    """The bare UNet's estimate of the noise, with guidance 7, from each prediction type's own formula."""
    a, s = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
    share = sigma / (1 + sigma)
    z_t = (1 - share) * z + share * eps if prediction_type == FLOW else a * z + s * eps
    conds, unet = prior.conditioner.conds, prior.denoiser.unet
    timestep = step if prediction_type != FLOW else 1000 * share.flatten()  # diffusers' own timesteps of this scheduler
    cond, uncond = (unet(z_t, timestep, conds[n].expand(2, -1, -1)).sample for n in ("plain", "negative"))
    out = uncond + 7.0 * (cond - uncond)
    return {EPS: out, V: a * out + s * z_t, FLOW: z_t + (1 - share) * out}[prediction_type]


@pytest.mark.parametrize("prediction_type", SCHEDULES)
def test_the_gradient_at_the_image_is_the_literal_formula(
    prediction_type: str, models: Path, tmp_path: Path, view: View, rng: torch.Generator
) -> None:
    """w (eps_hat - eps) dz/dimage with w = 1 - abar, in one autograd graph through the VAE."""
    prior = load_role("image", folder_of(prediction_type, models, tmp_path), cfg=7.0)
    view = replace(view, cameras=view.cameras[:2], view_text=False)
    image, step = torch.rand(2, 3, 16, 16, generator=rng).requires_grad_(True), torch.tensor([250, 600])
    sigma, eps = prior.sigmas[step], torch.randn(2, 4, 8, 8, generator=rng)
    (found,) = torch.autograd.grad(sds(prior, prior.encode(image), view, sigma, eps).sum(), image)
    vae, s = prior.encoder.vae, sigma.view(2, 1, 1, 1)
    z = vae.encode(2 * image - 1).latent_dist.mean * vae.config.scaling_factor
    with torch.no_grad():
        error = eps_hat(prediction_type, prior, z, eps, s, step) - eps
    (expected,) = torch.autograd.grad(z, image, s**2 / (1 + s**2) * error)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()
