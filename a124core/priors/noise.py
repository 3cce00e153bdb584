"""Noise schedules as variance-exploding sigma = sqrt((1 - abar) / abar), and the draw of a noise level.

In float64: the float32 tables of diffusers' schedulers are up to 3e-4 off, and infinite at zero terminal SNR.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..utils.text import quote_value
from .parameterization import EPS, FLOW, KINDS

MAX_STEPS = 100_000  # of a schedule; published ones have 1000
BETAS = {"start": 1e-4, "end": 0.02}  # diffusers' defaults
ADVICE = "copy the model's scheduler folder again"


def scaled_linear_sigmas() -> Tensor:  # (1000,) ascending
    """Return Stable Diffusion's schedule (scaled-linear betas)."""
    return _to_sigmas(torch.cumprod(1.0 - _scaled_linear(1000, 0.00085, 0.012), dim=0))


def draw_timesteps(
    count: int,
    low: float,  # shares of the schedule, both ends included
    high: float,
    sigmas: Tensor,  # (T,)
    rng: torch.Generator,
) -> Tensor:  # (count,) integers
    """Draw uniform integer timesteps in [low T, high T], as the method does (release)."""
    first, last = timestep_range(low, high, sigmas)
    return torch.randint(first, last + 1, (count,), generator=rng)


def timestep_range(low: float, high: float, sigmas: Tensor) -> tuple[int, int]:
    """Return the first and the last timestep of the range, of T."""
    steps = sigmas.shape[0]
    first = min(round(low * steps), steps - 1)
    return first, max(first, min(round(high * steps), steps - 1))


def sigma_table(config: dict) -> tuple[Tensor, str]:
    """Read a scheduler_config.json as ((T,) ascending sigmas, one of KINDS); the sampler it names does not matter."""
    steps = round(_number(config, "num_train_timesteps", 1000, 1, MAX_STEPS))
    if "FlowMatch" in str(config.get("_class_name", "")):
        return flow_sigmas(steps, _number(config, "shift", 1.0, 1e-3, 1e3)), FLOW
    kind = config.get("prediction_type", EPS)
    if kind not in KINDS:
        raise ValueError(
            f"the scheduler's prediction_type is {quote_value(str(kind))}: epsilon, v_prediction or sample is needed, "
            "so take a model whose scheduler folder says one of these."
        )
    bars = torch.cumprod(1.0 - _betas(config, steps), dim=0)
    sigmas = _to_sigmas(_zero_terminal(bars) if config.get("rescale_betas_zero_snr") else bars)
    if not sigmas.isfinite().all():
        raise ValueError(f"the scheduler's betas give no noise levels (NaN or infinite ones): {ADVICE}.")
    return sigmas, kind


def _number(config: dict, name: str, default: float, low: float, high: float) -> float:
    """Return a number of the scheduler in [low, high]: ValueError for anything else."""
    value = config.get(name, default)
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"the scheduler's {name} is no number from {low:g} to {high:g}: {ADVICE}.")
    return value


def _to_sigmas(alpha_bars: Tensor) -> Tensor:
    return ((1.0 - alpha_bars) / alpha_bars).sqrt().float()


def _scaled_linear(steps: int, first: float, last: float) -> Tensor:  # (steps,) float64
    return torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2


def _betas(config: dict, steps: int) -> Tensor:  # (steps,) float64
    """Return the betas of the schedules that published folders use."""
    if config.get("trained_betas") is not None:
        return _trained_betas(config["trained_betas"])
    first, last = (float(_number(config, f"beta_{end}", value, 0, 1)) for end, value in BETAS.items())
    schedule = config.get("beta_schedule", "linear")
    if schedule == "linear":
        return torch.linspace(first, last, steps, dtype=torch.float64)
    if schedule == "scaled_linear":
        return _scaled_linear(steps, first, last)
    if schedule == "squaredcos_cap_v2":
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        bar = torch.cos((time + 0.008) / 1.008 * torch.pi / 2) ** 2
        return (1.0 - bar[1:] / bar[:-1]).clamp(max=0.999)
    raise ValueError(
        f"the scheduler's beta_schedule is {quote_value(str(schedule))}: linear, scaled_linear or squaredcos_cap_v2 is "
        "needed."
    )


def _trained_betas(betas: Any) -> Tensor:  # (steps,) float64
    whole = isinstance(betas, list) and 1 <= len(betas) <= MAX_STEPS
    if not whole or not all(type(beta) in (int, float) and 0 <= beta <= 1 for beta in betas):
        raise ValueError(f"the scheduler's trained_betas are no list of numbers from 0 to 1: {ADVICE}.")
    return torch.tensor(betas, dtype=torch.float64)


def _zero_terminal(alpha_bars: Tensor) -> Tensor:
    """Rescale so that the last step is noise alone (arXiv 2305.08891, algorithm 1), short of dividing by zero."""
    root = alpha_bars.sqrt()
    scaled = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return (scaled**2).clamp(min=2.0**-24)  # diffusers' Euler sampler puts this in place of 0


def flow_sigmas(steps: int, shift: float) -> Tensor:  # (steps,) ascending
    """Return s = k / T, shifted, as sigma = s / (1 - s); the last one, pure noise, is capped at s = 0.999."""
    s = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    s = (shift * s / (1.0 + (shift - 1.0) * s)).clamp(max=0.999)
    return (s / (1.0 - s)).float()
