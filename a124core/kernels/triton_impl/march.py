"""Marching in Triton: one pass counts what each ray keeps, a running sum gives its place, a second pass writes it."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..torch_impl.ops import lattice
from .grid import EXACT

RAYS = 128  # of one program


@triton.jit
def _vector(source, ray, mask):
    place = source + ray * 3
    x, y = tl.load(place, mask=mask, other=0.0), tl.load(place + 1, mask=mask, other=0.0)
    return x, y, tl.load(place + 2, mask=mask, other=0.0)


@triton.jit
def _cell_of(origin, direction, middle, size):
    """Index of the cell along one axis."""
    half = 0.5 * size
    place = (origin * half + half) + (direction * half) * middle
    return tl.minimum(tl.maximum(place, 0.0), size - 1.0).to(tl.int32)


@triton.jit
def _walk(
    origins, directions, ray_slice, occupied, first, steps, jitter, places, ray_out, start_out, counts,
    rays, size, step, near, WRITE: tl.constexpr, RAYS: tl.constexpr,
):  # fmt: skip
    """Kept steps of RAYS rays: their number into counts or, with WRITE, ray and start from places on."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    mask = ray < rays
    ox, oy, oz = _vector(origins, ray, mask)
    dx, dy, dz = _vector(directions, ray, mask)
    slice_base = tl.load(ray_slice + ray, mask=mask, other=0).to(tl.int64) * size * size * size
    begin, offset = tl.load(first + ray, mask=mask, other=0.0), tl.load(jitter + ray, mask=mask, other=0.0)
    length = tl.load(steps + ray, mask=mask, other=0)
    place = tl.load(places + ray, mask=mask, other=0)
    kept = tl.zeros([RAYS], dtype=tl.int32)
    for k in range(0, tl.max(length, 0)):
        start = near + (begin + k + offset) * step
        middle = start + 0.5 * step
        x, y, z = _cell_of(ox, dx, middle, size), _cell_of(oy, dy, middle, size), _cell_of(oz, dz, middle, size)
        live = mask & (k < length)
        cell = slice_base + (z * size + y) * size + x
        found = live & (tl.load(occupied + cell, mask=live, other=0) != 0)
        if WRITE:
            tl.store(ray_out + place + kept, ray.to(tl.int64), mask=found)
            tl.store(start_out + place + kept, start, mask=found)
        kept += found.to(tl.int32)
    if not WRITE:
        tl.store(counts + ray, kept, mask=mask)


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
    """torch_ops.march. No (rays, steps) table is made: memory is that of the samples kept."""
    first, count = lattice(origins, directions, box, step, jitter, near)
    rays = origins.shape[0]
    counts = torch.zeros(rays, dtype=torch.int32, device=origins.device)
    ends = torch.zeros(rays, dtype=torch.int64, device=origins.device)
    cells = occupied.contiguous().view(torch.uint8)
    given = (origins.contiguous(), directions.contiguous(), ray_slice.contiguous(), cells, first, count.to(torch.int32),
             jitter.contiguous())  # fmt: skip
    numbers = (rays, occupied.shape[-1], step, near)
    grid = (triton.cdiv(rays, RAYS),)
    if rays:
        _walk[grid](*given, ends, ends, first, counts, *numbers, WRITE=False, RAYS=RAYS, **EXACT)
    ends = torch.cumsum(counts, 0)
    total = int(ends[-1]) if rays else 0
    ray, start = counts.new_empty(total, dtype=torch.int64), origins.new_empty(total)
    if total:
        _walk[grid](*given, ends - counts, ray, start, counts, *numbers, WRITE=True, RAYS=RAYS, **EXACT)
    return ray, start
