"""Compositing along rays in plain torch: the specification (release)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def render_weights(
    density: Tensor,  # (N,)
    ray_indices: Tensor,  # (N,) ascending; a ray's samples are ordered front to back
    n_rays: int,
    step: float,  # world units of z-depth
) -> Tensor:  # (N,)
    """Return w_i = alpha_i prod_{j<i} (1 - alpha_j), alpha_i = 1 - exp(-density_i step)."""
    return transmittance(density, ray_indices, n_rays, step) * -torch.expm1(-density * step)


def transmittance(density: Tensor, ray_indices: Tensor, n_rays: int, step: float) -> Tensor:  # (N,)
    """Return prod_{j<i} (1 - alpha_j), the light that reaches each sample, from the ray's running optical thickness.

    In a padded (rays, samples) table, so that no sum runs over more than one ray."""
    if density.numel() == 0:
        return density
    thickness = density * step
    row, slot, shape = _padded_slots(ray_indices, n_rays)
    padded = thickness.new_zeros(shape).index_put((row, slot), thickness)
    before = F.pad(torch.cumsum(padded, dim=1), (1, 0))  # a difference would be inf - inf behind something opaque
    return torch.exp(-before[row, slot])


def accumulate(
    weights: Tensor,  # (N,)
    values: Tensor,  # (N, C)
    ray_indices: Tensor,  # (N,) ascending
    n_rays: int,
) -> Tensor:  # (n_rays, C)
    """Return per-ray sums of weights times values."""
    return values.new_zeros(n_rays, values.shape[1]).index_add(0, ray_indices, weights[:, None] * values)


def _padded_slots(ray_indices: Tensor, n_rays: int) -> tuple[Tensor, Tensor, tuple[int, int]]:
    """Return each sample's row and slot in a table with one row per ray that has samples, and its shape."""
    count = torch.bincount(ray_indices, minlength=n_rays)
    first = torch.cumsum(count, 0) - count
    slot = torch.arange(ray_indices.shape[0], device=ray_indices.device) - first[ray_indices]
    used = torch.cumsum((count > 0).long(), 0) - 1
    return used[ray_indices], slot, (int((count > 0).sum()), int(count.max()))
