"""Marching on a CPU, compiled by Numba: a piece of the rays at a time."""

from __future__ import annotations

import torch
from numba import float32, njit
from torch import Tensor

from ..torch_impl.ops import lattice
from .threads import compiled, in_turn

RAYS = 2**12  # rays of one piece


@njit(inline="always")
def _cell(origin, direction, depth, scale, last):
    return int(min(max((origin * scale + scale) + (direction * scale) * depth, float32(0.0)), last))


@compiled
def _walk(origins, directions, slices, occupied, first, count, jitter, step, near, begin, end, ray, start):
    """Rays begin to end: writes the samples that are kept, from the front of ray and start; returns how many."""
    size = occupied.shape[-1]
    scale, last, half, found = float32(0.5 * size), float32(size - 1), float32(0.5 * step), 0
    for r in range(begin, end):
        ox, oy, oz = origins[r, 0], origins[r, 1], origins[r, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        cells, offset = occupied[slices[r]], first[r]
        for k in range(count[r]):
            depth = near + ((offset + float32(k)) + jitter[r]) * step
            middle = depth + half
            x = _cell(ox, dx, middle, scale, last)
            y = _cell(oy, dy, middle, scale, last)
            z = _cell(oz, dz, middle, scale, last)
            if cells[z, y, x]:
                ray[found], start[found] = r, depth
                found += 1
    return found


def march(
    origins: Tensor,  # (R, 3)
    directions: Tensor,  # (R, 3)
    ray_slice: Tensor,  # (R,)
    occupied: Tensor,  # (S, G, G, G) bool
    box: Tensor,  # (2, 3)
    step: float,
    jitter: Tensor,  # (R,)
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:  # ray (N,) ascending, start of each step (N,)
    """torch_ops.march."""
    first, count = lattice(origins, directions, box, step, jitter, near)
    _check(count, ray_slice, len(occupied))
    count = count.to(torch.int32)
    given = [v.contiguous().numpy() for v in (origins, directions, ray_slice, occupied, first, count, jitter)]
    pieces = [slice(i, min(i + RAYS, len(origins))) for i in range(0, len(origins), RAYS)]
    found: list[tuple[Tensor, Tensor]] = [(count[:0].long(), jitter[:0])] * len(pieces)

    def piece(k: int) -> None:
        most = int(count[pieces[k]].sum())
        ray, start = ray_slice.new_empty(most, dtype=torch.int64), origins.new_empty(most)
        ends = pieces[k].start, pieces[k].stop
        kept = _walk(*given, float32(step), float32(near), *ends, ray.numpy(), start.numpy())
        found[k] = ray[:kept].clone(), start[:kept].clone()

    in_turn(piece, len(pieces), int(count.sum()))
    if not found:
        return count.long(), jitter.clone()
    return torch.cat([f[0] for f in found]), torch.cat([f[1] for f in found])


def _check(count: Tensor, ray_slice: Tensor, slices: int) -> None:
    """What torch would stumble over and a kernel would not."""
    if not count.isfinite().all():
        raise ValueError("the rays hold numbers that are not finite: check the cameras.")
    if len(ray_slice) and not 0 <= int(ray_slice.min()) <= int(ray_slice.max()) < slices:
        raise IndexError(f"a ray asks for a slice of time that is not among the {slices} there are.")
