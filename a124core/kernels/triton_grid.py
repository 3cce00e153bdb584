"""The 4D encoding in one Triton kernel: index, 8 corners of 2 time grids, their mix or its slopes; and the transposes.

A program owns BLOCK samples of one level, levels outermost: one level of two time grids stays in the L2 cache."""

from __future__ import annotations

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from .corners import Level, as_int32

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
def _places(row, first, second, rows):
    """Where the two values of a corner begin in the flat table: 64 bits, since a table may pass 2^31 numbers."""
    channel = tl.arange(0, 2)[None, :]
    low = (first.to(tl.int64) * rows + row)[:, None] * 2 + channel
    high = (second.to(tl.int64) * rows + row)[:, None] * 2 + channel
    return low, high


@triton.jit
def _gather(
    table, xyz, time, out, numbers, scales, count, grids, rows, width, plane,
    LOOP: tl.constexpr, SLOPES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out (N, width) of features or, with SLOPES, (3, N, width) of their derivatives."""
    sample = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    mask = sample < count
    numbers += level * 8
    x, y, z, ux, uy, uz, kx, ky, kz, inside = _cell(xyz, sample, mask, numbers, scales + level)
    first, second, share = _moments(time, sample, mask, grids, LOOP)
    low_mask, high_mask = inside[:, None], (inside & (share > 0.0))[:, None]
    total = tl.zeros([BLOCK, 2], dtype=tl.float32)
    total_y = tl.zeros([BLOCK, 2], dtype=tl.float32)
    total_z = tl.zeros([BLOCK, 2], dtype=tl.float32)
    for corner in tl.static_range(8):
        low, high = _places(_row(x, y, z, corner, numbers), first, second, rows)
        value = tl.load(table + low, mask=low_mask, other=0.0).to(tl.float32) * (1.0 - share)[:, None]
        value += tl.load(table + high, mask=high_mask, other=0.0).to(tl.float32) * share[:, None]
        wx, wy, wz = _side(ux, corner & 1), _side(uy, (corner >> 1) & 1), _side(uz, corner >> 2)
        if SLOPES:
            total += (_rise(kx, corner & 1) * wy * wz)[:, None] * value
            total_y += (wx * _rise(ky, (corner >> 1) & 1) * wz)[:, None] * value
            total_z += (wx * wy * _rise(kz, corner >> 2))[:, None] * value
        else:
            total += (wx * wy * wz)[:, None] * value
    place = sample.to(tl.int64)[:, None] * width + level * 2 + tl.arange(0, 2)[None, :]
    tl.store(out + place, total, mask=mask[:, None])
    if SLOPES:
        tl.store(out + plane + place, total_y, mask=mask[:, None])
        tl.store(out + 2 * plane + place, total_z, mask=mask[:, None])


@triton.jit
def _spread(
    grad, xyz, time, table, numbers, scales, count, grids, rows, width, plane,
    LOOP: tl.constexpr, SLOPES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The transpose of _gather: grad, shaped like its output, is added into table (T, rows, 2), zero before."""
    sample = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    mask = sample < count
    numbers += level * 8
    x, y, z, ux, uy, uz, kx, ky, kz, inside = _cell(xyz, sample, mask, numbers, scales + level)
    first, second, share = _moments(time, sample, mask, grids, LOOP)
    low_mask, high_mask = inside[:, None], (inside & (share > 0.0))[:, None]
    place = sample.to(tl.int64)[:, None] * width + level * 2 + tl.arange(0, 2)[None, :]
    g = tl.load(grad + place, mask=low_mask, other=0.0).to(tl.float32)
    gy, gz = g, g
    if SLOPES:
        gy = tl.load(grad + plane + place, mask=low_mask, other=0.0).to(tl.float32)
        gz = tl.load(grad + 2 * plane + place, mask=low_mask, other=0.0).to(tl.float32)
    for corner in tl.static_range(8):
        low, high = _places(_row(x, y, z, corner, numbers), first, second, rows)
        wx, wy, wz = _side(ux, corner & 1), _side(uy, (corner >> 1) & 1), _side(uz, corner >> 2)
        if SLOPES:
            value = (_rise(kx, corner & 1) * wy * wz)[:, None] * g
            value += (wx * _rise(ky, (corner >> 1) & 1) * wz)[:, None] * gy
            value += (wx * wy * _rise(kz, corner >> 2))[:, None] * gz
        else:
            value = (wx * wy * wz)[:, None] * g
        tl.atomic_add(table + low, value * (1.0 - share)[:, None], mask=low_mask, sem="relaxed")
        tl.atomic_add(table + high, value * share[:, None], mask=high_mask, sem="relaxed")


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
        _launch(_gather, table.contiguous(), xyz, time, out, levels, table.shape, width, loop, slopes)
    return out


def spread(
    grad: Tensor, xyz: Tensor, time: Tensor,
    shape: torch.Size,  # of the table
    levels: tuple[Level, ...], loop: bool, slopes: bool,
) -> Tensor:  # (T, rows, 2) float32  # fmt: skip
    """The transpose of gather, added up in float32 whatever the table's precision."""
    total = grad.new_zeros(shape, dtype=torch.float32)
    if grad.numel():
        _launch(_spread, grad.contiguous(), xyz, time, total, levels, shape, 2 * len(levels), loop, slopes)
    return total


def _launch(
    kernel: object, source: Tensor, xyz: Tensor, time: Tensor, target: Tensor, levels: tuple[Level, ...],
    shape: torch.Size, width: int, loop: bool, slopes: bool,
) -> None:  # fmt: skip
    numbers, scales = _level_numbers(levels, xyz.device)
    count = xyz.shape[0]
    kernel[(triton.cdiv(count, BLOCK), len(levels))](
        source, xyz.contiguous(), time.contiguous(), target, numbers, scales, count, shape[0], shape[1], width,
        count * width, LOOP=loop, SLOPES=slopes, BLOCK=BLOCK, **EXACT,
    )  # fmt: skip
