"""The 4D encoding in one Triton kernel: index, 8 corners of 2 time grids, their mix or its slopes; and the transposes.

A program owns BLOCK samples of one level, levels outermost: one level of two time grids stays in the L2 cache."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..grid_index import Level, as_int32

BLOCK = 256  # samples of one program
EXACT = {"enable_fp_fusion": False}  # positions rounded as torch rounds them: at level 2048 one bit is 1e-4 of a cell


@triton.jit
def _clamp(x, low, high):
    return tl.minimum(tl.maximum(x, low), high)


@triton.jit
def _axis(xyz, sample, mask, axis: tl.constexpr, scale, smooth):
    """Along one axis: coordinate, cell, share of the upper neighbour, d share / d coordinate."""
    x = tl.load(xyz + sample.to(tl.int64) * 3 + axis, mask=mask, other=2.0)
    position = (_clamp(x, -1.0, 1.0) * 0.5 + 0.5) * scale + 0.5
    cell = tl.floor(position)
    f = position - cell
    upper = tl.where(smooth != 0, f * f * (3.0 - 2.0 * f), f)
    slope = tl.where(smooth != 0, 6.0 * f * (1.0 - f), 1.0) * (0.5 * scale)
    return x, cell.to(tl.int32), upper, slope


@triton.jit
def _cell(xyz, sample, mask, numbers, scale):
    """Of each sample on one level: its cell, shares of the upper neighbours, their slopes, and whether it counts."""
    size, smooth = tl.load(scale), tl.load(numbers + 6)
    px, x, ux, kx = _axis(xyz, sample, mask, 0, size, smooth)
    py, y, uy, ky = _axis(xyz, sample, mask, 1, size, smooth)
    pz, z, uz, kz = _axis(xyz, sample, mask, 2, size, smooth)
    inside = (tl.abs(px) <= 1.0) & (tl.abs(py) <= 1.0) & (tl.abs(pz) <= 1.0)
    return x, y, z, ux, uy, uz, kx, ky, kz, inside


@triton.jit
def _moments(time, sample, mask, grids, LOOP: tl.constexpr):
    """Eq. 1: the two time grids of each sample, and the share of the second."""
    t = _clamp(tl.load(time + sample, mask=mask, other=0.0), 0.0, 1.0)
    g = t * grids if LOOP else t * (grids - 1)
    lower = tl.floor(g)
    share = g - lower
    first = lower.to(tl.int32)
    second = first + 1 if LOOP else tl.ceil(g).to(tl.int32)
    if LOOP:
        first, second = first % grids, second % grids
    return first, second, share


@triton.jit
def _row(x, y, z, corner: tl.constexpr, numbers):
    """Row of a corner inside a time grid, by the rule of its level: numbers holds strides, hashed, mask, offset."""
    sx, sy, sz = tl.load(numbers), tl.load(numbers + 1), tl.load(numbers + 2)
    a = (x + (corner & 1)) * sx
    b = (y + ((corner >> 1) & 1)) * sy
    c = (z + (corner >> 2)) * sz
    hashed = tl.load(numbers + 3) != 0
    row = tl.where(hashed, a ^ b ^ c, a + b + c)
    return (row & tl.load(numbers + 4)) + tl.load(numbers + 5)


@triton.jit
def _side(upper, bit: tl.constexpr):
    return upper if bit else 1.0 - upper


@triton.jit
def _rise(slope, bit: tl.constexpr):
    return slope if bit else -slope


@triton.jit
def _weight(ux, uy, uz, corner: tl.constexpr):
    return _side(ux, corner & 1) * _side(uy, (corner >> 1) & 1) * _side(uz, corner >> 2)


@triton.jit
def _slopes(ux, uy, uz, kx, ky, kz, corner: tl.constexpr):
    """d weight / d x, y, z of a corner."""
    wx, wy, wz = _side(ux, corner & 1), _side(uy, (corner >> 1) & 1), _side(uz, corner >> 2)
    x = _rise(kx, corner & 1) * wy * wz
    y = wx * _rise(ky, (corner >> 1) & 1) * wz
    return x, y, wx * wy * _rise(kz, corner >> 2)


@triton.jit
def _pair(table, place, mask, HALF: tl.constexpr):
    """The two numbers of a row by one load: table is seen as integers as wide as a row."""
    both = tl.load(table + place, mask=mask, other=0)
    if HALF:
        low = both.to(tl.int16).to(tl.float16, bitcast=True)
        high = (both >> 16).to(tl.int16).to(tl.float16, bitcast=True)
    else:
        low = both.to(tl.int32).to(tl.float32, bitcast=True)
        high = (both >> 32).to(tl.int32).to(tl.float32, bitcast=True)
    return low.to(tl.float32), high.to(tl.float32)


@triton.jit
def _gather(
    table, xyz, time, out, numbers, scales, count, grids, rows, width, plane,
    LOOP: tl.constexpr, SLOPES: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out (N, width) of features or, with SLOPES, (3, N, width) of their derivatives."""
    sample = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    mask = sample < count
    numbers += level * 8
    x, y, z, ux, uy, uz, kx, ky, kz, inside = _cell(xyz, sample, mask, numbers, scales + level)
    first, second, share = _moments(time, sample, mask, grids, LOOP)
    zero = tl.zeros([BLOCK], dtype=tl.float32)
    a, b, ay, by, az, bz = zero, zero, zero, zero, zero, zero
    for corner in tl.static_range(8):
        row = _row(x, y, z, corner, numbers)
        a0, b0 = _pair(table, first.to(tl.int64) * rows + row, inside, HALF)
        a1, b1 = _pair(table, second.to(tl.int64) * rows + row, inside & (share > 0.0), HALF)
        va, vb = a0 * (1.0 - share) + a1 * share, b0 * (1.0 - share) + b1 * share
        if SLOPES:
            sx, sy, sz = _slopes(ux, uy, uz, kx, ky, kz, corner)
            a, b = a + sx * va, b + sx * vb
            ay, by = ay + sy * va, by + sy * vb
            az, bz = az + sz * va, bz + sz * vb
        else:
            w = _weight(ux, uy, uz, corner)
            a, b = a + w * va, b + w * vb
    place = out + sample.to(tl.int64) * width + level * 2
    tl.store(place, a, mask=mask)
    tl.store(place + 1, b, mask=mask)
    if SLOPES:
        tl.store(place + plane, ay, mask=mask)
        tl.store(place + plane + 1, by, mask=mask)
        tl.store(place + 2 * plane, az, mask=mask)
        tl.store(place + 2 * plane + 1, bz, mask=mask)


@triton.jit
def _add_pair(table, place, share, a, b, mask):
    tl.atomic_add(table + place * 2, share * a, mask=mask, sem="relaxed")
    tl.atomic_add(table + place * 2 + 1, share * b, mask=mask, sem="relaxed")


@triton.jit
def _spread(
    grad, xyz, time, table, numbers, scales, count, grids, rows, width, plane,
    LOOP: tl.constexpr, SLOPES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The transpose of _gather: grad, shaped like its output, is added into table (T, rows, 2) float32, zero before."""
    sample = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    mask = sample < count
    numbers += level * 8
    x, y, z, ux, uy, uz, kx, ky, kz, inside = _cell(xyz, sample, mask, numbers, scales + level)
    first, second, share = _moments(time, sample, mask, grids, LOOP)
    place = grad + sample.to(tl.int64) * width + level * 2
    a, b = _two(place, inside)
    if SLOPES:
        ay, by = _two(place + plane, inside)
        az, bz = _two(place + 2 * plane, inside)
    for corner in tl.static_range(8):
        if SLOPES:
            sx, sy, sz = _slopes(ux, uy, uz, kx, ky, kz, corner)
            va, vb = sx * a + sy * ay + sz * az, sx * b + sy * by + sz * bz
        else:
            w = _weight(ux, uy, uz, corner)
            va, vb = w * a, w * b
        row = _row(x, y, z, corner, numbers)
        _add_pair(table, first.to(tl.int64) * rows + row, 1.0 - share, va, vb, inside)
        _add_pair(table, second.to(tl.int64) * rows + row, share, va, vb, inside & (share > 0.0))


@triton.jit
def _two(place, mask):
    a, b = tl.load(place, mask=mask, other=0.0), tl.load(place + 1, mask=mask, other=0.0)
    return a.to(tl.float32), b.to(tl.float32)


@lru_cache(maxsize=64)
def _level_numbers(levels: tuple[Level, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """(L, 8) int32: strides, hashed, mask of the row, offset, smooth, nothing; (L,) scales."""
    numbers = [
        [*map(as_int32, v.strides), int(v.hashed), v.rows - 1 if v.wraps else -1, v.offset, int(v.smooth), 0]
        for v in levels
    ]
    scales = torch.tensor([v.scale for v in levels], dtype=torch.float32)
    return torch.tensor(numbers, dtype=torch.int32).to(device), scales.to(device)


def gather(table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool, slopes: bool) -> Tensor:
    """(T, rows, 2), (N, 3), (N,) -> (N, 2 L), or with slopes (3, N, 2 L), in the table's precision."""
    count, width = xyz.shape[0], 2 * len(levels)
    out = table.new_empty((3, count, width) if slopes else (count, width))
    if out.numel():
        half = table.dtype == torch.float16
        rows = table.detach().contiguous().view(torch.int32 if half else torch.int64)
        _launch(_gather, rows, xyz, time, out, levels, table.shape, LOOP=loop, SLOPES=slopes, HALF=half)
    return out


def spread(
    grad: Tensor, xyz: Tensor, time: Tensor,
    shape: torch.Size,  # of the table
    levels: tuple[Level, ...], loop: bool, slopes: bool,
) -> Tensor:  # (T, rows, 2) float32  # fmt: skip
    """The transpose of gather, added up in float32 whatever the table's precision."""
    total = grad.new_zeros(shape, dtype=torch.float32)
    if grad.numel():
        _launch(_spread, grad.contiguous(), xyz, time, total, levels, shape, LOOP=loop, SLOPES=slopes)
    return total


def _launch(
    kernel: Any, source: Tensor, xyz: Tensor, time: Tensor, target: Tensor, levels: tuple[Level, ...],
    shape: torch.Size, **flags: bool,
) -> None:  # fmt: skip
    numbers, scales = _level_numbers(levels, xyz.device)
    count, width = xyz.shape[0], 2 * len(levels)
    kernel[(triton.cdiv(count, BLOCK), len(levels))](
        source, xyz.contiguous(), time.contiguous(), target, numbers, scales, count, shape[0], shape[1], width,
        count * width, **flags, BLOCK=BLOCK, **EXACT,
    )  # fmt: skip
