"""Images that the model makes itself: those of the class, and renderings that it repairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..inversion.augment import COLOURS
from ..priors.noise import timestep_range
from ..utils.progress import OnProgress, ProgressCounter
from .config import DreamBoothConfig
from .model import LoraModel
from .subject import SubjectImages

LEVELS = 255  # of a colour: repaired renderings are kept in 8 bits, so that a resumed run has the same


def sigma_path(sigmas: Tensor, share: float, steps: int) -> Tensor:  # (T,) ascending -> (steps + 1,) descending
    """Return noise levels at even timesteps from a share of the schedule down to 0."""
    first, last = timestep_range(0.0, share, sigmas)
    index = torch.linspace(last, first, steps).round().long()
    return torch.cat((sigmas[index], sigmas.new_zeros(1)))


@torch.no_grad()
def sample(
    model: LoraModel,
    x_t: Tensor,  # (B, C, h, w) at the first noise level
    prompts: list[str],
    path: Tensor,  # (steps + 1,) noise levels that end in 0
    cfg: float,
    on_step: Callable[[], None] = lambda: None,
) -> Tensor:  # x0 (B, C, h, w)
    """Euler's method on dx / dsigma = (x - x0_hat) / sigma (EDM, arXiv 2206.00364, eq. 1 and 3), which is DDIM."""
    for sigma, after in zip(path[:-1], path[1:], strict=True):
        level = sigma.to(x_t).expand(len(x_t))
        cond, uncond = model.denoise(x_t, level, prompts), model.denoise(x_t, level, [""] * len(x_t))
        x0_hat = uncond + cfg * (cond - uncond)
        x_t = x0_hat + (x_t - x0_hat) * (after / sigma).to(x_t)
        on_step()
    return x_t


def class_latents(
    model: LoraModel, config: DreamBoothConfig, rng: torch.Generator, on_progress: OnProgress | None
) -> Tensor:  # (class_images, C, h, w) on the CPU
    """Return what the model makes of the class prompt before it learns (DreamBooth, section 3.3): latents, which are
    trained on without a way through pixels."""
    like = model.encode(torch.zeros(1, COLOURS, config.size, config.size))
    path = sigma_path(model.sigmas, 1.0, config.sampling_steps)
    counter = ProgressCounter(config.class_images * config.sampling_steps, on_progress)
    latents = []
    for k in range(config.class_images):
        x_t = (path[0] * torch.randn(like.shape, generator=rng)).to(like)
        step = _reporter(counter, f"class image {k + 1} of {config.class_images}")
        latents.append(sample(model, x_t, [config.class_prompt], path, config.cfg, step).cpu())
    return torch.cat(latents)


def repaired(
    subject: SubjectImages,
    model: LoraModel,
    config: DreamBoothConfig,
    rng: torch.Generator,
    on_progress: OnProgress | None,
) -> SubjectImages:
    """Return the subject with renderings that the model denoised after noise was added (DreamCraft3D, arXiv
    2310.16818), within their own outlines. The picture, which comes first, stays as it is."""
    if config.strength == 0 or len(subject.images) == 1:
        return subject
    path = sigma_path(model.sigmas, config.strength, max(1, round(config.strength * config.sampling_steps)))
    counter = ProgressCounter((len(subject.images) - 1) * (len(path) - 1), on_progress)
    images = [subject.images[:1]]
    for k in range(1, len(subject.images)):
        coverage = subject.images[k : k + 1, COLOURS:]
        x0 = model.encode(subject.images[k : k + 1, :COLOURS] + 1.0 - coverage)  # on white
        x_t = x0 + (path[0] * torch.randn(x0.shape, generator=rng)).to(x0)
        step = _reporter(counter, f"rendering {k} of {len(subject.images) - 1} is repaired")
        text = f"{config.class_prompt}, {subject.sides[k]}"
        image = model.decode(sample(model, x_t, [text], path, config.cfg, step)).float().cpu().clamp(0.0, 1.0)
        cut_out = torch.cat((image * coverage, coverage), dim=1)
        images.append((cut_out * LEVELS).round() / LEVELS)
    return replace(subject, images=torch.cat(images))


def _reporter(counter: ProgressCounter, text: str) -> Callable[[], None]:
    return lambda: counter.advance(text)
