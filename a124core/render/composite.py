"""Density, colour and steps to weights and pixels (release)."""

from __future__ import annotations

from torch import Tensor

from .. import kernels
from .sample import Samples


def render_weights(density: Tensor, samples: Samples, rays: int) -> Tensor:  # (N,)
    """w_i = alpha_i prod_{j<i} (1 - alpha_j), alpha_i = 1 - exp(-density_i step)."""
    return kernels.render_weights(density, samples.ray, rays, samples.step)


def transmittance(density: Tensor, samples: Samples, rays: int) -> Tensor:  # (N,)
    """prod_{j<i} (1 - alpha_j): the light that is left when a ray reaches each sample."""
    return kernels.transmittance(density, samples.ray, rays, samples.step)


def accumulate(weights: Tensor, values: Tensor, ray: Tensor, rays: int) -> Tensor:  # (N,), (N, C) -> (rays, C)
    """Per-ray sums of weights times values."""
    return kernels.accumulate(weights, values, ray, rays)


def over(colour: Tensor, opacity: Tensor, background: Tensor) -> Tensor:  # (R, 3), (R, 1), (3,) -> (R, 3)
    """C + (1 - A) background."""
    return colour + (1.0 - opacity) * background
