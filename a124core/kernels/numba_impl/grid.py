"""The encoding on a CPU, compiled by Numba: cells, weights and corners of a sample stay in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import float32, int32, njit, uint32, uint64
from torch import Tensor

from ..grid_index import Level
from ..torch_impl.grid import inside_cube, select_grids
from .threads import compiled, run_chunks, run_tasks

ALL_BITS = 0xFFFFFFFF
ONE, TWO, THREE, SIX, HALF = float32(1.0), float32(2.0), float32(3.0), float32(6.0), float32(0.5)


@njit(inline="always")
def _axis(x, scale, smooth):
    """Along one axis: cell, weights of the lower and the upper corner, d upper weight / d coordinate."""
    low = x if x > -ONE else -ONE  # also where x is NaN: its share is 0, but its rows must exist
    position = (min(low, ONE) * HALF + HALF) * scale + HALF
    cell = np.floor(position)
    f = position - cell
    slope = HALF * scale
    if smooth:
        slope *= SIX * f * (ONE - f)
        f = f * f * (THREE - TWO * f)
    return uint32(int32(cell)), ONE - f, f, slope


@njit(inline="always")
def _folded(row, rows):
    """A row modulo rows, below twice of them."""
    return row - rows if row >= rows else row


@njit(inline="always")
def _corners(x, y, z, level, base):
    """Rows of the 8 corners, x fastest."""
    _, sx, sy, sz, hashed, mask, _, _, fold = level
    x0, y0, z0 = uint32(x * sx), uint32(y * sy), uint32(z * sz)
    x1, y1, z1 = uint32(x0 + sx), uint32(y0 + sy), uint32(z0 + sz)
    if hashed:
        a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
        rows = x0 ^ a, x1 ^ a, x0 ^ b, x1 ^ b, x0 ^ c, x1 ^ c, x0 ^ d, x1 ^ d
    else:
        a, b, c, d = y0 + z0, y1 + z0, y0 + z1, y1 + z1
        rows = x0 + a, x1 + a, x0 + b, x1 + b, x0 + c, x1 + c, x0 + d, x1 + d
    q, r, s, t, u, v, w, x = rows
    if fold:
        q, r, s, t = _folded(q, fold), _folded(r, fold), _folded(s, fold), _folded(t, fold)
        u, v, w, x = _folded(u, fold), _folded(v, fold), _folded(w, fold), _folded(x, fold)
    return (
        base + uint64(q & mask), base + uint64(r & mask), base + uint64(s & mask), base + uint64(t & mask),
        base + uint64(u & mask), base + uint64(v & mask), base + uint64(w & mask), base + uint64(x & mask),
    )


@njit(inline="always")
def _interpolate(rows, corners, k, x0, x1, y0, y1, z0, z1):
    """Sum of 8 rows times the product of their weights along the axes."""
    near = (rows[corners[0], k] * x0 + rows[corners[1], k] * x1) * y0
    near += (rows[corners[2], k] * x0 + rows[corners[3], k] * x1) * y1
    far = (rows[corners[4], k] * x0 + rows[corners[5], k] * x1) * y0
    far += (rows[corners[6], k] * x0 + rows[corners[7], k] * x1) * y1
    return near * z0 + far * z1


@njit(inline="always")
def _interpolate_backward(rows, corners, k, grad, x0, x1, y0, y1, z0, z1):
    """The transpose of _interpolate: adds to rows."""
    a, b, c, d = grad * y0 * z0, grad * y1 * z0, grad * y0 * z1, grad * y1 * z1
    rows[corners[0], k] += a * x0
    rows[corners[1], k] += a * x1
    rows[corners[2], k] += b * x0
    rows[corners[3], k] += b * x1
    rows[corners[4], k] += c * x0
    rows[corners[5], k] += c * x1
    rows[corners[6], k] += d * x0
    rows[corners[7], k] += d * x1


@njit(inline="always")
def _cell(points, n, first, level):
    """Of a sample on a level: the rows of its corners, and along each axis both weights and the slope of the upper."""
    scale, smooth = level[0], level[7]
    x, x0, x1, dx = _axis(points[0, n], scale, smooth)
    y, y0, y1, dy = _axis(points[1, n], scale, smooth)
    z, z0, z1, dz = _axis(points[2, n], scale, smooth)
    return _corners(x, y, z, level, uint64(level[6] + first[n])), x0, x1, dx, y0, y1, dy, z0, z1, dz


@compiled
def _features_forward(rows, points, first, share, level, column, begin, end, out):
    """Add the features of samples begin to end on one level to out (N, C)."""
    for n in range(begin, end):
        corners, x0, x1, _, y0, y1, _, z0, z1, _ = _cell(points, n, first, level)
        for k in range(2):
            out[n, column + k] += share[n] * _interpolate(rows, corners, k, x0, x1, y0, y1, z0, z1)


@compiled
def _slopes_forward(rows, points, first, share, level, column, begin, end, out):
    """The same for the derivatives by x, y and z: out (3, N, C)."""
    for n in range(begin, end):
        corners, x0, x1, dx, y0, y1, dy, z0, z1, dz = _cell(points, n, first, level)
        for k in range(2):
            out[0, n, column + k] += share[n] * _interpolate(rows, corners, k, -dx, dx, y0, y1, z0, z1)
            out[1, n, column + k] += share[n] * _interpolate(rows, corners, k, x0, x1, -dy, dy, z0, z1)
            out[2, n, column + k] += share[n] * _interpolate(rows, corners, k, x0, x1, y0, y1, -dz, dz)


@compiled
def _features_backward(grad, points, first, share, level, column, rows):
    """The transpose of _features_forward for all samples of one level: adds to rows."""
    for n in range(points.shape[1]):
        corners, x0, x1, _, y0, y1, _, z0, z1, _ = _cell(points, n, first, level)
        for k in range(2):
            _interpolate_backward(rows, corners, k, share[n] * grad[n, column + k], x0, x1, y0, y1, z0, z1)


@compiled
def _slopes_backward(grad, points, first, share, level, column, rows):
    """The transpose of _slopes_forward."""
    for n in range(points.shape[1]):
        corners, x0, x1, dx, y0, y1, dy, z0, z1, dz = _cell(points, n, first, level)
        for k in range(2):
            _interpolate_backward(rows, corners, k, share[n] * grad[0, n, column + k], -dx, dx, y0, y1, z0, z1)
            _interpolate_backward(rows, corners, k, share[n] * grad[1, n, column + k], x0, x1, -dy, dy, z0, z1)
            _interpolate_backward(rows, corners, k, share[n] * grad[2, n, column + k], x0, x1, y0, y1, -dz, dz)


def _array(values: Tensor) -> Any:
    return values.detach().contiguous().numpy()


def _parameters(level: Level) -> tuple[Any, ...]:
    """Return a level as the kernels take it; the rows where they fold, else 0."""
    strides = (np.uint32(s & ALL_BITS) for s in level.strides)
    fold = np.uint32(level.rows if level.folds else 0)
    return (
        np.float32(level.scale), *strides, level.hashed, np.uint32(level.mask), np.int64(level.offset), level.smooth,
        fold,
    )


class _EncodeForward(torch.autograd.Function):
    """Linear in the rows; threads share the samples. Its derivative is _EncodeBackward and vice versa: second
    derivatives exist."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, points: Tensor,
        first: Tensor,  # (G, N) int32: each sample's first row in G grids
        share: Tensor,  # (G, N) of these grids
        levels: tuple[Level, ...], slopes: bool,
    ) -> Tensor:  # (N, 2 L) features, or their three slopes (3, N, 2 L)
        ctx.save_for_backward(points, first, share)
        ctx.options, ctx.n_rows = (levels, slopes), rows.shape[0]
        count, kernel = points.shape[1], _slopes_forward if slopes else _features_forward
        out = rows.new_zeros(*(3,) * slopes, count, 2 * len(levels))
        table, xyz = _array(rows), _array(points)
        grids = list(zip(_array(first), _array(share), strict=True))

        def chunk(begin: int, end: int) -> None:
            for k, level in enumerate(levels):
                for first_row, grid_share in grids:
                    kernel(table, xyz, first_row, grid_share, _parameters(level), 2 * k, begin, end, out.numpy())

        run_chunks(chunk, count)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (_EncodeBackward.apply(grad, ctx.n_rows, *ctx.saved_tensors, *ctx.options), *[None] * 5)


class _EncodeBackward(torch.autograd.Function):
    """The transpose of _EncodeForward. Threads share the levels, whose rows are their own: sums have a fixed order."""

    @staticmethod
    def forward(
        ctx: Any, grad: Tensor, n_rows: int, points: Tensor, first: Tensor, share: Tensor,
        levels: tuple[Level, ...], slopes: bool,
    ) -> Tensor:  # (n_rows, 2)
        ctx.save_for_backward(points, first, share)
        ctx.options = levels, slopes
        total, kernel = grad.new_zeros(n_rows, 2), _slopes_backward if slopes else _features_backward
        values, xyz = _array(grad), _array(points)
        grids = list(zip(_array(first), _array(share), strict=True))

        def level(k: int) -> None:
            for first_row, grid_share in grids:
                kernel(values, xyz, first_row, grid_share, _parameters(levels[k]), 2 * k, total.numpy())

        run_tasks(level, len(levels), points.shape[1])
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (_EncodeForward.apply(gradient, *ctx.saved_tensors, *ctx.options), *[None] * 6)


def encode_grid(
    table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool = False, slopes: bool = False
) -> Tensor:
    """As torch_impl.grid.encode_grid, summed in float32, whatever the table's precision."""
    points = xyz.T.contiguous()
    rows, grids = select_grids(table.float(), time, len(levels), loop)
    share = xyz.new_ones(grids.first.shape) if grids.share is None else grids.share
    inside = inside_cube(points)
    share = share if inside is None else share * inside
    return _EncodeForward.apply(rows, points, grids.first, share, levels, slopes).to(table.dtype)
