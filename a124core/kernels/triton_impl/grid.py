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
LARGEST = 2**31 - 1  # of an int32
EXACT = {"enable_fp_fusion": False}  # positions rounded as torch rounds them: at level 2048 one bit is 1e-4 of a cell


@triton.jit
def _clamp(x, low, high):
    return tl.minimum(tl.maximum(x, low), high)


@triton.jit
def _axis(xyz, sample, mask, axis: tl.constexpr, scale, smooth):
    """Along one axis: coordinate, cell, weight of the upper corner, d weight / d coordinate."""
    x = tl.load(xyz + sample.to(tl.int64) * 3 + axis, mask=mask, other=2.0)
    position = (_clamp(x, -1.0, 1.0) * 0.5 + 0.5) * scale + 0.5
    cell = tl.floor(position)
    f = position - cell
    upper = tl.where(smooth != 0, f * f * (3.0 - 2.0 * f), f)
    slope = tl.where(smooth != 0, 6.0 * f * (1.0 - f), 1.0) * (0.5 * scale)
    return x, cell.to(tl.int32), upper, slope


@triton.jit
def _cell(xyz, sample, mask, parameters, scale):
    """Of each sample on one level: its cell, weights of the upper corners, their slopes, and whether it is inside."""
    size, smooth = tl.load(scale), tl.load(parameters + 6)
    px, x, ux, kx = _axis(xyz, sample, mask, 0, size, smooth)
    py, y, uy, ky = _axis(xyz, sample, mask, 1, size, smooth)
    pz, z, uz, kz = _axis(xyz, sample, mask, 2, size, smooth)
    inside = (tl.abs(px) <= 1.0) & (tl.abs(py) <= 1.0) & (tl.abs(pz) <= 1.0)
    return x, y, z, ux, uy, uz, kx, ky, kz, inside


@triton.jit
def _time_grids(time, sample, mask, n_grids, LOOP: tl.constexpr):
    """Eq. 1: the two time grids of each sample, and the share of the second."""
    t = _clamp(tl.load(time + sample, mask=mask, other=0.0), 0.0, 1.0)
    g = t * n_grids if LOOP else t * (n_grids - 1)
    lower = tl.floor(g)
    share = g - lower
    first = lower.to(tl.int32)
    second = first + 1 if LOOP else tl.ceil(g).to(tl.int32)
    if LOOP:
        first, second = first % n_grids, second % n_grids
    return first, second, share


@triton.jit
def _row(x, y, z, corner: tl.constexpr, parameters):
    """Row of a corner inside a time grid, by the rule of its level: its strides, hashed, mask, fold, offset."""
    sx, sy, sz = tl.load(parameters), tl.load(parameters + 1), tl.load(parameters + 2)
    a = (x + (corner & 1)) * sx
    b = (y + ((corner >> 1) & 1)) * sy
    c = (z + (corner >> 2)) * sz
    hashed = tl.load(parameters + 3) != 0
    row = tl.where(hashed, a ^ b ^ c, a + b + c) & tl.load(parameters + 4)
    fold = tl.load(parameters + 7)
    return tl.where(row >= fold, row - fold, row) + tl.load(parameters + 5)


@triton.jit
def _weight(upper, bit: tl.constexpr):
    return upper if bit else 1.0 - upper


@triton.jit
def _slope(slope, bit: tl.constexpr):
    return slope if bit else -slope


@triton.jit
def _corner_weight(ux, uy, uz, corner: tl.constexpr):
    return _weight(ux, corner & 1) * _weight(uy, (corner >> 1) & 1) * _weight(uz, corner >> 2)


@triton.jit
def _corner_slopes(ux, uy, uz, kx, ky, kz, corner: tl.constexpr):
    """d weight / d x, y, z of a corner."""
    wx, wy, wz = _weight(ux, corner & 1), _weight(uy, (corner >> 1) & 1), _weight(uz, corner >> 2)
    x = _slope(kx, corner & 1) * wy * wz
    y = wx * _slope(ky, (corner >> 1) & 1) * wz
    return x, y, wx * wy * _slope(kz, corner >> 2)


@triton.jit
def _load_row(table, row, mask, HALF: tl.constexpr):
    """The two numbers of a row by one load: table is viewed as integers as wide as a row."""
    both = tl.load(table + row, mask=mask, other=0)
    if HALF:
        low = both.to(tl.int16).to(tl.float16, bitcast=True)
        high = (both >> 16).to(tl.int16).to(tl.float16, bitcast=True)
    else:
        low = both.to(tl.int32).to(tl.float32, bitcast=True)
        high = (both >> 32).to(tl.int32).to(tl.float32, bitcast=True)
    return low.to(tl.float32), high.to(tl.float32)


@triton.jit
def _encode_forward(
    table, xyz, time, out, parameters, scales, count, n_grids, n_rows, width, plane,
    LOOP: tl.constexpr, SLOPES: tl.constexpr, HALF: tl.constexpr, BLOCK: tl.constexpr,
):
    """out (N, width) of features or, with SLOPES, (3, N, width) of their derivatives."""
    sample = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    mask = sample < count
    parameters += level * 8
    x, y, z, ux, uy, uz, kx, ky, kz, inside = _cell(xyz, sample, mask, parameters, scales + level)
    first, second, share = _time_grids(time, sample, mask, n_grids, LOOP)
    zero = tl.zeros([BLOCK], dtype=tl.float32)
    a, b, ay, by, az, bz = zero, zero, zero, zero, zero, zero
    for corner in tl.static_range(8):
        row = _row(x, y, z, corner, parameters)
        a0, b0 = _load_row(table, first.to(tl.int64) * n_rows + row, inside, HALF)
        a1, b1 = _load_row(table, second.to(tl.int64) * n_rows + row, inside & (share > 0.0), HALF)
        va, vb = a0 * (1.0 - share) + a1 * share, b0 * (1.0 - share) + b1 * share
        if SLOPES:
            sx, sy, sz = _corner_slopes(ux, uy, uz, kx, ky, kz, corner)
            a, b = a + sx * va, b + sx * vb
            ay, by = ay + sy * va, by + sy * vb
            az, bz = az + sz * va, bz + sz * vb
        else:
            w = _corner_weight(ux, uy, uz, corner)
            a, b = a + w * va, b + w * vb
    target = out + sample.to(tl.int64) * width + level * 2
    tl.store(target, a, mask=mask)
    tl.store(target + 1, b, mask=mask)
    if SLOPES:
        tl.store(target + plane, ay, mask=mask)
        tl.store(target + plane + 1, by, mask=mask)
        tl.store(target + 2 * plane, az, mask=mask)
        tl.store(target + 2 * plane + 1, bz, mask=mask)


@triton.jit
def _load_pair(source, mask):
    a, b = tl.load(source, mask=mask, other=0.0), tl.load(source + 1, mask=mask, other=0.0)
    return a.to(tl.float32), b.to(tl.float32)


@triton.jit
def _add_row(table, row, share, a, b, mask):
    tl.atomic_add(table + row * 2, share * a, mask=mask, sem="relaxed")
    tl.atomic_add(table + row * 2 + 1, share * b, mask=mask, sem="relaxed")


@triton.jit
def _encode_backward(
    grad, xyz, time, table, parameters, scales, count, n_grids, n_rows, width, plane,
    LOOP: tl.constexpr, SLOPES: tl.constexpr, BLOCK: tl.constexpr,
):
    """The transpose of _encode_forward: grad, shaped like its output, is added to table (T, rows, 2) float32."""
    sample = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    mask = sample < count
    parameters += level * 8
    x, y, z, ux, uy, uz, kx, ky, kz, inside = _cell(xyz, sample, mask, parameters, scales + level)
    first, second, share = _time_grids(time, sample, mask, n_grids, LOOP)
    source = grad + sample.to(tl.int64) * width + level * 2
    a, b = _load_pair(source, inside)
    if SLOPES:
        ay, by = _load_pair(source + plane, inside)
        az, bz = _load_pair(source + 2 * plane, inside)
    for corner in tl.static_range(8):
        if SLOPES:
            sx, sy, sz = _corner_slopes(ux, uy, uz, kx, ky, kz, corner)
            va, vb = sx * a + sy * ay + sz * az, sx * b + sy * by + sz * bz
        else:
            w = _corner_weight(ux, uy, uz, corner)
            va, vb = w * a, w * b
        row = _row(x, y, z, corner, parameters)
        _add_row(table, first.to(tl.int64) * n_rows + row, 1.0 - share, va, vb, inside)
        _add_row(table, second.to(tl.int64) * n_rows + row, share, va, vb, inside & (share > 0.0))


@lru_cache(maxsize=64)
def _level_parameters(levels: tuple[Level, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return (L, 8) int32, strides, hashed, mask of the row, offset, smooth, rows where it folds; and (L,) scales."""
    parameters = [
        [
            *map(as_int32, v.strides), int(v.hashed), as_int32(v.mask), v.offset, int(v.smooth),
            v.rows if v.folds else LARGEST,
        ]
        for v in levels
    ]
    scales = torch.tensor([v.scale for v in levels], dtype=torch.float32)
    return torch.tensor(parameters, dtype=torch.int32).to(device), scales.to(device)


def _launch(
    kernel: Any, source: Tensor, xyz: Tensor, time: Tensor, target: Tensor, levels: tuple[Level, ...],
    shape: torch.Size, **flags: bool,
) -> None:
    parameters, scales = _level_parameters(levels, xyz.device)
    count, width = xyz.shape[0], 2 * len(levels)
    kernel[(triton.cdiv(count, BLOCK), len(levels))](
        source, xyz.contiguous(), time.contiguous(), target, parameters, scales, count, shape[0], shape[1], width,
        count * width, **flags, BLOCK=BLOCK, **EXACT,
    )


class _EncodeForward(torch.autograd.Function):
    """Linear in the table; points and times carry no gradient here. Its derivative is _EncodeBackward and vice versa:
    second derivatives exist."""

    @staticmethod
    def forward(
        ctx: Any, table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool, slopes: bool
    ) -> Tensor:  # (N, 2 L), or with slopes (3, N, 2 L), in the table's precision
        ctx.save_for_backward(xyz, time)
        ctx.options, ctx.shape, ctx.dtype = (levels, loop, slopes), table.shape, table.dtype
        count, width = xyz.shape[0], 2 * len(levels)
        out = table.new_empty((3, count, width) if slopes else (count, width))
        if out.numel():
            half = table.dtype == torch.float16
            rows = table.detach().contiguous().view(torch.int32 if half else torch.int64)
            _launch(_encode_forward, rows, xyz, time, out, levels, table.shape, LOOP=loop, SLOPES=slopes, HALF=half)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_table = _EncodeBackward.apply(grad, *ctx.saved_tensors, ctx.shape, *ctx.options)
        return (to_table.to(ctx.dtype), *[None] * 5)


class _EncodeBackward(torch.autograd.Function):
    """The transpose of _EncodeForward."""

    @staticmethod
    def forward(
        ctx: Any, grad: Tensor, xyz: Tensor, time: Tensor,
        shape: torch.Size,  # of the table
        levels: tuple[Level, ...], loop: bool, slopes: bool,
    ) -> Tensor:  # (T, rows, 2) float32, whatever the table's precision
        ctx.save_for_backward(xyz, time)
        ctx.options, ctx.dtype = (levels, loop, slopes), grad.dtype
        total = grad.new_zeros(shape, dtype=torch.float32)
        if grad.numel():
            _launch(_encode_backward, grad.contiguous(), xyz, time, total, levels, shape, LOOP=loop, SLOPES=slopes)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (_EncodeForward.apply(gradient, *ctx.saved_tensors, *ctx.options).to(ctx.dtype), *[None] * 6)


def encode_grid(
    table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool = False, slopes: bool = False
) -> Tensor:
    """As torch_impl.grid.encode_grid."""
    return _EncodeForward.apply(table, xyz, time, levels, loop, slopes)
