"""From a network's output to x0, and its inputs, in the variance-exploding form x_t = x0 + sigma eps."""

from __future__ import annotations

from torch import Tensor

EPS, V, SAMPLE, FLOW = "epsilon", "v_prediction", "sample", "flow"
KINDS = (EPS, V, SAMPLE, FLOW)


def scale_input(x_t: Tensor, sigma: Tensor, kind: str) -> Tensor:
    """Scale x_t as in training: to variance one, or mixed (1 - s) x0 + s eps with s = sigma / (1 + sigma).

    sigma has the shape of x_t with ones, as in (items, 1, 1, 1).
    """
    return x_t / (1.0 + sigma) if kind == FLOW else x_t / (1.0 + sigma**2).sqrt()


def to_x0(out: Tensor, x_t: Tensor, sigma: Tensor, kind: str) -> Tensor:
    """Turn the network's output into x0_hat. With a = 1 / sqrt(1 + sigma^2):

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
    """Return the index of the table whose noise level is nearest, in the logarithm."""
    gaps = (sigmas.log()[None] - sigma.to(sigmas).clamp(min=1e-12).log()[:, None]).abs()
    return gaps.argmin(dim=1)


def sigma_to_timestep(sigma: Tensor, sigmas: Tensor, kind: str) -> Tensor:  # (items,), (T,) -> (items,)
    """Return the network's timestep: an index of the table, or of a flow its share s of T steps, which a shifted
    schedule does not number evenly (diffusers' FlowMatchEulerDiscreteScheduler: timesteps = sigmas T)."""
    return len(sigmas) * sigma / (1.0 + sigma) if kind == FLOW else nearest_timestep(sigma, sigmas)
