"""Density, colour and steps to weights and pixels (release)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .sample import Samples


def render_weights(density: Tensor, samples: Samples, rays: int) -> Tensor:  # (N,)
    """w_i = alpha_i prod_{j<i} (1 - alpha_j), alpha_i = 1 - exp(-density_i step)."""
    return transmittance(density, samples, rays) * -torch.expm1(-density * samples.step)


def transmittance(density: Tensor, samples: Samples, rays: int) -> Tensor:  # (N,)
    """prod_{j<i} (1 - alpha_j), from the running optical thickness of each ray.

    In a padded (rays, samples) table, so that no sum runs over more than one ray."""
    if density.numel() == 0:
        return density
    thickness = density * samples.step
    row, slot, shape = _padded_places(samples.ray, rays)
    padded = thickness.new_zeros(shape).index_put((row, slot), thickness)
    before = F.pad(torch.cumsum(padded, dim=1), (1, 0))  # a difference would be inf - inf behind something opaque
    return torch.exp(-before[row, slot])


def _padded_places(ray: Tensor, rays: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Row and slot of each sample in a table with one row per ray that has samples."""
    count = torch.bincount(ray, minlength=rays)
    first = torch.cumsum(count, 0) - count
    slot = torch.arange(ray.shape[0], device=ray.device) - first[ray]
    used = torch.cumsum((count > 0).long(), 0) - 1
    return used[ray], slot, (int((count > 0).sum()), int(count.max()))


def accumulate(weights: Tensor, values: Tensor, ray: Tensor, rays: int) -> Tensor:  # (N,), (N, C) -> (rays, C)
    """Per-ray sums of weights times values."""
    return values.new_zeros(rays, values.shape[1]).index_add(0, ray, weights[:, None] * values)


def over(colour: Tensor, opacity: Tensor, background: Tensor) -> Tensor:  # (R, 3), (R, 1), (3,) -> (R, 3)
    """C + (1 - A) background."""
    return colour + (1.0 - opacity) * background
