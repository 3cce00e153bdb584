"""Ray marching through occupied cells in plain torch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor


def march(
    origins: Tensor,  # (R, 3)
    directions: Tensor,  # (R, 3), z-depth 1 per unit
    ray_slice: Tensor,  # (R,) each ray's slice of time
    binary: Tensor,  # (S, G, G, G) bool, index order z, y, x: the occupied cells
    aabb: Tensor,  # (2, 3) corners of the box around them
    step: float,  # length of a step, world units of z-depth
    jitter: Tensor,  # (R,) in [0, 1): start offset, in steps
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:  # ray indices (N,) ascending, start of each step (N,)
    """Take equal steps through the box; return, ray by ray, those whose middle lies in an occupied cell."""
    first, count = ray_steps(origins, directions, aabb, step, jitter, near)
    hit = torch.nonzero(count > 0).squeeze(1)
    if hit.numel() == 0:
        return hit, origins.new_zeros(0)
    k = torch.arange(int(count.max()), device=origins.device, dtype=origins.dtype)
    starts = near + (first[hit, None] + k + jitter[hit, None]) * step  # (H, K)
    valid = k < count[hit, None]
    cells = _cell_index(origins[hit], directions[hit], starts + 0.5 * step, binary.shape[-1])
    cells = cells + (ray_slice[hit] * binary[0].numel())[:, None]
    index = torch.nonzero((binary.flatten()[cells.flatten()].view_as(valid) & valid).flatten()).squeeze(1)
    return hit[torch.div(index, k.numel(), rounding_mode="floor")], starts.flatten()[index]


def ray_steps(
    origins: Tensor, directions: Tensor, aabb: Tensor, step: float, jitter: Tensor, near: float
) -> tuple[Tensor, Tensor]:  # (R,), (R,)
    """Return each ray's first step inside the box and their number, of the steps at near + (k + jitter) step."""
    enters, leaves = ray_aabb_intersect(origins, directions, aabb, near)
    first = torch.ceil((enters - near) / step - jitter).clamp_min(0.0)
    return first, (torch.floor((leaves - near) / step - jitter) - first + 1).clamp_min(0.0)


def _cell_index(origins: Tensor, directions: Tensor, depth: Tensor, size: int) -> Tensor:
    """Return the flat cell index, x fastest, of the points at each depth: (H, 3), (H, 3), (H, K) -> (H, K)."""
    flat = 0
    for axis, stride in ((0, 1), (1, size), (2, size * size)):
        scale = 0.5 * size
        p = torch.addcmul(origins[:, axis, None] * scale + scale, directions[:, axis, None] * scale, depth)
        flat = flat + p.clamp_(0.0, size - 1.0).long() * stride
    return flat


def ray_aabb_intersect(origins: Tensor, directions: Tensor, aabb: Tensor, near: float) -> tuple[Tensor, Tensor]:
    """Return where each ray enters and leaves the box, (R,) each (slab test); entry is at least near; a miss leaves
    before it enters."""
    safe = torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    a, b = (aabb[0] - origins) / safe, (aabb[1] - origins) / safe
    return torch.minimum(a, b).amax(dim=1).clamp_min(near), torch.maximum(a, b).amin(dim=1)
