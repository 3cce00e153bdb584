"""Alpha-bar tables and sigma, and the draw of a noise level."""

from __future__ import annotations

import torch
from torch import Tensor


def scaled_linear_sigmas(
    steps: int = 1000,
    beta_start: float = 0.00085,
    beta_end: float = 0.012,
) -> Tensor:  # (steps,) ascending
    """Stable Diffusion's schedule (scaled-linear betas) as variance-exploding sigma = sqrt((1 - abar) / abar)."""
    betas = torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64) ** 2
    alpha_bar = torch.cumprod(1.0 - betas, dim=0)
    return ((1.0 - alpha_bar) / alpha_bar).sqrt().float()


def alpha_bar(sigma: Tensor) -> Tensor:
    """abar = 1 / (1 + sigma^2)."""
    return 1.0 / (1.0 + sigma**2)


def draw_timesteps(
    count: int,
    low: float,  # shares of the schedule, both ends included
    high: float,
    sigmas: Tensor,  # (T,)
    rng: torch.Generator,
) -> Tensor:  # (count,) integers
    """Uniform integer timesteps in [low T, high T], as the method draws them (release)."""
    steps = sigmas.shape[0]
    first = min(round(low * steps), steps - 1)
    last = min(round(high * steps), steps - 1)
    return torch.randint(first, max(first, last) + 1, (count,), generator=rng)
