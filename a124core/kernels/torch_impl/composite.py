"""How much light each sample of a ray stops and lets through, in plain torch: the specification (release)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def render_weights(
    density: Tensor,  # (N,)
    ray: Tensor,  # (N,) ascending; a ray's samples stand front to back
    rays: int,
    step: float,  # world units of z-depth
) -> Tensor:  # (N,)
    """w_i = alpha_i prod_{j<i} (1 - alpha_j), alpha_i = 1 - exp(-density_i step)."""
    return transmittance(density, ray, rays, step) * -torch.expm1(-density * step)


def transmittance(density: Tensor, ray: Tensor, rays: int, step: float) -> Tensor:  # (N,)
    """prod_{j<i} (1 - alpha_j), from the running optical thickness of each ray.

    In a padded (rays, samples) table, so that no sum runs over more than one ray."""
    if density.numel() == 0:
        return density
    thickness = density * step
    row, slot, shape = _padded_places(ray, rays)
    padded = thickness.new_zeros(shape).index_put((row, slot), thickness)
    before = F.pad(torch.cumsum(padded, dim=1), (1, 0))  # a difference would be inf - inf behind something opaque
    return torch.exp(-before[row, slot])


def accumulate(
    weights: Tensor,  # (N,)
    values: Tensor,  # (N, C)
    ray: Tensor,  # (N,) ascending
    rays: int,
) -> Tensor:  # (rays, C)
    """Per-ray sums of weights times values."""
    return values.new_zeros(rays, values.shape[1]).index_add(0, ray, weights[:, None] * values)


def _padded_places(ray: Tensor, rays: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Row and slot of each sample in a table with one row per ray that has samples."""
    count = torch.bincount(ray, minlength=rays)
    first = torch.cumsum(count, 0) - count
    slot = torch.arange(ray.shape[0], device=ray.device) - first[ray]
    used = torch.cumsum((count > 0).long(), 0) - 1
    return used[ray], slot, (int((count > 0).sum()), int(count.max()))
