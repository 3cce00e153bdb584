"""The field's and the marcher's operations in plain torch: the specification, on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from ..grid_index import Level, space_corners
from .adam import adam_time_tv
from .composite import accumulate, render_weights, transmittance
from .gather import weighted_rows
from .mlp import mlp
from .moments import When, in_time, inside_cube
from .neighbours import temporal_tv
from .points import splat_points

NAME = "torch"  # as A124_KERNELS names it

__all__ = [
    "accumulate",
    "adam_time_tv",
    "splat_points",
    "encode_grid",
    "encode_grid_gradient",
    "march",
    "mlp",
    "temporal_tv",
    "render_weights",
    "transmittance",
]


def encode_grid(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3) in [-1, 1]
    time: Tensor,  # (N,) in [0, 1]
    levels: tuple[Level, ...],
    loop: bool = False,
) -> Tensor:  # (N, 2 * len(levels))
    """Eq. 1: trilinear features of every level, linear between the two time grids around each sample.

    Samples outside the cube have zero features and no gradient (release's encoder)."""
    points = xyz.T.contiguous()
    rows, when = in_time(table, time, len(levels), loop)
    inside = inside_cube(points)
    return weighted_rows(rows, [_bag(*space_corners(points, level)[:2], inside, when) for level in levels])


def encode_grid_gradient(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3)
    time: Tensor,  # (N,)
    levels: tuple[Level, ...],
    loop: bool = False,
) -> Tensor:  # (3, N, 2 * len(levels))
    """The derivative of encode_grid with respect to x, y and z, itself differentiable with respect to the table."""
    points = xyz.T.contiguous()
    rows, when = in_time(table, time, len(levels), loop)
    inside = inside_cube(points)
    corners = [space_corners(points, level, slopes=True) for level in levels]
    return weighted_rows(rows, [_bag(index, torch.stack(slope), inside, when) for index, _, slope in corners])


def _bag(index: Tensor, weight: Tensor, inside: Tensor | None, when: When) -> tuple[Tensor, Tensor]:
    """8 corners times G grids: index (8, N), weight (..., 8, N) -> (8 G, N), (..., 8 G, N). Writes over index."""
    if inside is not None:
        weight = weight * inside
    if when.share is None:
        return index.add_(when.first), weight
    weight = (when.share[:, None] * weight.unsqueeze(-3)).flatten(-3, -2)
    return (when.first[:, None] + index[None]).flatten(0, 1), weight


def march(
    origins: Tensor,  # (R, 3)
    directions: Tensor,  # (R, 3), z-depth 1 per unit
    ray_slice: Tensor,  # (R,) slice of time each ray sees
    occupied: Tensor,  # (S, G, G, G) bool, index order z, y, x
    box: Tensor,  # (2, 3) corners of what is occupied
    step: float,  # length of a step, world units of z-depth
    jitter: Tensor,  # (R,) in [0, 1): start offset, in steps
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:  # ray (N,) ascending, start of each step (N,)
    """Equal steps through the box; those whose middle lies in an occupied cell are kept, ray by ray."""
    first, count = lattice(origins, directions, box, step, jitter, near)
    hit = torch.nonzero(count > 0).squeeze(1)
    if hit.numel() == 0:
        return hit, origins.new_zeros(0)
    k = torch.arange(int(count.max()), device=origins.device, dtype=origins.dtype)
    starts = near + (first[hit, None] + k + jitter[hit, None]) * step  # (H, K)
    wanted = k < count[hit, None]
    cells = _cells(origins[hit], directions[hit], starts + 0.5 * step, occupied.shape[-1])
    cells = cells + (ray_slice[hit] * occupied[0].numel())[:, None]
    kept = torch.nonzero((occupied.flatten()[cells.flatten()].view_as(wanted) & wanted).flatten()).squeeze(1)
    return hit[torch.div(kept, k.numel(), rounding_mode="floor")], starts.flatten()[kept]


def lattice(
    origins: Tensor, directions: Tensor, box: Tensor, step: float, jitter: Tensor, near: float
) -> tuple[Tensor, Tensor]:  # (R,), (R,)
    """Each ray's first step inside the box, and how many there are, on the lattice near + (k + jitter) step."""
    enters, leaves = ray_box(origins, directions, box, near)
    first = torch.ceil((enters - near) / step - jitter).clamp_min(0.0)
    return first, (torch.floor((leaves - near) / step - jitter) - first + 1).clamp_min(0.0)


def _cells(origins: Tensor, directions: Tensor, depth: Tensor, size: int) -> Tensor:
    """Flat cell index, x fastest, of the points at each depth: (H, 3), (H, 3), (H, K) -> (H, K)."""
    flat = 0
    for axis, stride in ((0, 1), (1, size), (2, size * size)):
        scale = 0.5 * size
        p = torch.addcmul(origins[:, axis, None] * scale + scale, directions[:, axis, None] * scale, depth)
        flat = flat + p.clamp_(0.0, size - 1.0).long() * stride
    return flat


def ray_box(origins: Tensor, directions: Tensor, box: Tensor, near: float) -> tuple[Tensor, Tensor]:  # (R,), (R,)
    """Where each ray enters and leaves the box (slab test); entry is at least near; a miss leaves before it enters."""
    safe = torch.where(directions.abs() < 1e-9, torch.full_like(directions, 1e-9), directions)
    a, b = (box[0] - origins) / safe, (box[1] - origins) / safe
    return torch.minimum(a, b).amax(dim=1).clamp_min(near), torch.maximum(a, b).amin(dim=1)
