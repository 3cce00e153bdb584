"""What a network's output says about x0, in the variance-exploding form x_t = x0 + sigma eps."""

from __future__ import annotations

import torch
from torch import Tensor

EPS, V, SAMPLE, FLOW = "epsilon", "v_prediction", "sample", "flow"
KINDS = (EPS, V, SAMPLE, FLOW)


def scale_input(x_t: Tensor, sigma: Tensor, kind: str) -> Tensor:
    """x_t as the network was trained to see it: of variance one, or mixed (1 - s) x0 + s eps with s = sigma/(1+sigma).

    sigma has the shape of x_t with ones, as in (items, 1, 1, 1).
    """
    return x_t / (1.0 + sigma) if kind == FLOW else x_t / (1.0 + sigma**2).sqrt()


def to_x0(out: Tensor, x_t: Tensor, sigma: Tensor, kind: str) -> Tensor:
    """The network's output -> x0_hat. With a = 1 / sqrt(1 + sigma^2):

    eps: x_t - sigma eps. v = a eps - sigma a x0: a^2 x_t - sigma a v. flow (u = eps - x0): x_flow - s u.
    """
    if kind == EPS:
        return x_t - sigma * out
    if kind == V:
        a = 1.0 / (1.0 + sigma**2).sqrt()
        return a**2 * x_t - sigma * a * out
    if kind == FLOW:
        return (x_t - sigma * out) / (1.0 + sigma)
    return out


def nearest_timestep(sigma: Tensor, sigmas: Tensor) -> Tensor:  # (items,), (T,) ascending -> (items,) integers
    """The index of the table whose noise level is nearest, in the logarithm."""
    apart = (sigmas.log()[None] - sigma.to(sigmas).clamp(min=1e-12).log()[:, None]).abs()
    return apart.argmin(dim=1)


def sigma_to_timestep(sigma: Tensor, sigmas: Tensor, kind: str) -> Tensor:  # (items,), (T,) -> (items,)
    """What the network is told about the noise: an index of the table, or of a flow its share s of T steps, which a
    shifted schedule does not number evenly (diffusers' FlowMatchEulerDiscreteScheduler: timesteps = sigmas T)."""
    return len(sigmas) * sigma / (1.0 + sigma) if kind == FLOW else nearest_timestep(sigma, sigmas)


def sigma_table(config: dict) -> tuple[Tensor, str]:
    """scheduler_config.json -> ((T,) ascending sigmas, one of KINDS). Which sampler it names does not matter.

    In float64: the float32 tables of diffusers' schedulers are up to 3e-4 off, and infinite at zero terminal SNR.
    """
    steps = int(config.get("num_train_timesteps", 1000))
    if "FlowMatch" in str(config.get("_class_name", "")):
        return _flow_table(steps, float(config.get("shift", 1.0))), FLOW
    kind = str(config.get("prediction_type", EPS))
    if kind not in KINDS:
        raise ValueError(
            f"the scheduler's prediction_type is {kind!r}: epsilon, v_prediction or sample is needed, so take a model "
            "whose scheduler folder says one of these."
        )
    alpha_bar = torch.cumprod(1.0 - _betas(config, steps), dim=0)
    if config.get("rescale_betas_zero_snr"):
        alpha_bar = _zero_terminal(alpha_bar)
    return ((1.0 - alpha_bar) / alpha_bar).sqrt().float(), kind


def _betas(config: dict, steps: int) -> Tensor:  # (steps,) float64
    """The schedules that published folders use."""
    if config.get("trained_betas") is not None:
        return torch.tensor(config["trained_betas"], dtype=torch.float64)
    first, last = float(config.get("beta_start", 1e-4)), float(config.get("beta_end", 0.02))
    schedule = config.get("beta_schedule", "linear")
    if schedule == "linear":
        return torch.linspace(first, last, steps, dtype=torch.float64)
    if schedule == "scaled_linear":
        return torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64) ** 2
    if schedule == "squaredcos_cap_v2":
        time = torch.arange(steps + 1, dtype=torch.float64) / steps
        bar = torch.cos((time + 0.008) / 1.008 * torch.pi / 2) ** 2
        return (1.0 - bar[1:] / bar[:-1]).clamp(max=0.999)
    raise ValueError(
        f"the scheduler's beta_schedule is {schedule!r}: linear, scaled_linear or squaredcos_cap_v2 is needed."
    )


def _zero_terminal(alpha_bar: Tensor) -> Tensor:
    """Rescaled so that the last step is noise alone (arXiv 2305.08891, algorithm 1), short of dividing by zero."""
    root = alpha_bar.sqrt()
    scaled = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return (scaled**2).clamp(min=2.0**-24)  # what diffusers' Euler sampler puts in place of 0


def _flow_table(steps: int, shift: float) -> Tensor:
    """s = k / T, shifted, as sigma = s / (1 - s); the last one, pure noise, is capped at s = 0.999."""
    s = torch.arange(1, steps + 1, dtype=torch.float64) / steps
    s = (shift * s / (1.0 + (shift - 1.0) * s)).clamp(max=0.999)
    return (s / (1.0 - s)).float()
