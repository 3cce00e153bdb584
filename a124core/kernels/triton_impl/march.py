"""Ray marching in Triton: one pass counts each ray's samples, a running sum gives their offsets, a second pass writes
them."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..torch_impl.march import ray_steps
from .grid import EXACT

RAYS = 128  # of one program


@triton.jit
def _load_vector(source, ray, mask):
    start = source + ray * 3
    x, y = tl.load(start, mask=mask, other=0.0), tl.load(start + 1, mask=mask, other=0.0)
    return x, y, tl.load(start + 2, mask=mask, other=0.0)


@triton.jit
def _cell(origin, direction, middle, size):
    """Index of the cell along one axis."""
    half = 0.5 * size
    position = (origin * half + half) + (direction * half) * middle
    return tl.minimum(tl.maximum(position, 0.0), size - 1.0).to(tl.int32)


@triton.jit
def _march(
    origins, directions, ray_slice, binary, first, steps, jitter, offsets, ray_indices, starts, counts,
    n_rays, size, step, near, WRITE: tl.constexpr, RAYS: tl.constexpr,
):
    """Samples of RAYS rays: their number into counts or, with WRITE, ray index and start from offsets on."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    mask = ray < n_rays
    ox, oy, oz = _load_vector(origins, ray, mask)
    dx, dy, dz = _load_vector(directions, ray, mask)
    slice_base = tl.load(ray_slice + ray, mask=mask, other=0).to(tl.int64) * size * size * size
    begin, shift = tl.load(first + ray, mask=mask, other=0.0), tl.load(jitter + ray, mask=mask, other=0.0)
    length = tl.load(steps + ray, mask=mask, other=0)
    offset = tl.load(offsets + ray, mask=mask, other=0)
    count = tl.zeros([RAYS], dtype=tl.int32)
    for k in range(0, tl.max(length, 0)):
        start = near + (begin + k + shift) * step
        middle = start + 0.5 * step
        x, y, z = _cell(ox, dx, middle, size), _cell(oy, dy, middle, size), _cell(oz, dz, middle, size)
        valid = mask & (k < length)
        cell = slice_base + (z * size + y) * size + x
        occupied = valid & (tl.load(binary + cell, mask=valid, other=0) != 0)
        if WRITE:
            tl.store(ray_indices + offset + count, ray.to(tl.int64), mask=occupied)
            tl.store(starts + offset + count, start, mask=occupied)
        count += occupied.to(tl.int32)
    if not WRITE:
        tl.store(counts + ray, count, mask=mask)


def march(
    origins: Tensor, directions: Tensor, ray_slice: Tensor, binary: Tensor, aabb: Tensor, step: float, jitter: Tensor,
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """As torch_impl.march.march, without a (rays, steps) table: memory is that of the samples."""
    first, count = ray_steps(origins, directions, aabb, step, jitter, near)
    n_rays = origins.shape[0]
    counts = torch.zeros(n_rays, dtype=torch.int32, device=origins.device)
    ends = torch.zeros(n_rays, dtype=torch.int64, device=origins.device)
    inputs = (
        origins.contiguous(), directions.contiguous(), ray_slice.contiguous(), binary.contiguous().view(torch.uint8),
        first, count.to(torch.int32), jitter.contiguous(),
    )
    numbers = (n_rays, binary.shape[-1], step, near)
    grid = (triton.cdiv(n_rays, RAYS),)
    if n_rays:
        _march[grid](*inputs, ends, ends, first, counts, *numbers, WRITE=False, RAYS=RAYS, **EXACT)
    ends = torch.cumsum(counts, 0)
    total = int(ends[-1]) if n_rays else 0
    ray_indices, starts = counts.new_empty(total, dtype=torch.int64), origins.new_empty(total)
    if total:
        _march[grid](*inputs, ends - counts, ray_indices, starts, counts, *numbers, WRITE=True, RAYS=RAYS, **EXACT)
    return ray_indices, starts
