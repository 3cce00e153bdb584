"""The encoding on a CPU, compiled by Numba: cells, shares and corners of a sample stay in registers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int32, njit, uint32, uint64
from torch import Tensor

from ..grid_index import Level
from .threads import compiled, in_parts, in_turn

ALL_BITS = 0xFFFFFFFF
ONE, TWO, THREE, SIX, HALF = float32(1.0), float32(2.0), float32(3.0), float32(6.0), float32(0.5)


@njit(inline="always")
def _axis(x, scale, smooth):
    """Along one axis: cell, shares of the lower and the upper neighbour, d upper share / d coordinate."""
    low = x if x > -ONE else -ONE  # also where x is not a number: its share is 0, but its rows must exist
    position = (min(low, ONE) * HALF + HALF) * scale + HALF
    cell = np.floor(position)
    f = position - cell
    rise = HALF * scale
    if smooth:
        rise *= SIX * f * (ONE - f)
        f = f * f * (THREE - TWO * f)
    return uint32(int32(cell)), ONE - f, f, rise


@njit(inline="always")
def _corners(x, y, z, level, base):
    """Rows of the 8 corners, x fastest."""
    _, sx, sy, sz, hashed, mask, _, _ = level
    x0, y0, z0 = uint32(x * sx), uint32(y * sy), uint32(z * sz)
    x1, y1, z1 = uint32(x0 + sx), uint32(y0 + sy), uint32(z0 + sz)
    if hashed:
        a, b, c, d = y0 ^ z0, y1 ^ z0, y0 ^ z1, y1 ^ z1
        rows = x0 ^ a, x1 ^ a, x0 ^ b, x1 ^ b, x0 ^ c, x1 ^ c, x0 ^ d, x1 ^ d
    else:
        a, b, c, d = y0 + z0, y1 + z0, y0 + z1, y1 + z1
        rows = x0 + a, x1 + a, x0 + b, x1 + b, x0 + c, x1 + c, x0 + d, x1 + d
    q, r, s, t, u, v, w, x = rows
    return (
        base + uint64(q & mask), base + uint64(r & mask), base + uint64(s & mask), base + uint64(t & mask),
        base + uint64(u & mask), base + uint64(v & mask), base + uint64(w & mask), base + uint64(x & mask),
    )  # fmt: skip


@njit(inline="always")
def _mixed(rows, at, k, x0, x1, y0, y1, z0, z1):
    """Sum of 8 rows times the product of their shares along the axes."""
    near = (rows[at[0], k] * x0 + rows[at[1], k] * x1) * y0 + (rows[at[2], k] * x0 + rows[at[3], k] * x1) * y1
    far = (rows[at[4], k] * x0 + rows[at[5], k] * x1) * y0 + (rows[at[6], k] * x0 + rows[at[7], k] * x1) * y1
    return near * z0 + far * z1


@njit(inline="always")
def _shared_out(rows, at, k, grad, x0, x1, y0, y1, z0, z1):
    """The transpose of _mixed."""
    a, b, c, d = grad * y0 * z0, grad * y1 * z0, grad * y0 * z1, grad * y1 * z1
    rows[at[0], k] += a * x0
    rows[at[1], k] += a * x1
    rows[at[2], k] += b * x0
    rows[at[3], k] += b * x1
    rows[at[4], k] += c * x0
    rows[at[5], k] += c * x1
    rows[at[6], k] += d * x0
    rows[at[7], k] += d * x1


@njit(inline="always")
def _place(points, n, first, level):
    """Of a sample on a level: the rows of its corners, and along each axis both shares and the slope of the upper."""
    scale, smooth = level[0], level[7]
    x, x0, x1, dx = _axis(points[0, n], scale, smooth)
    y, y0, y1, dy = _axis(points[1, n], scale, smooth)
    z, z0, z1, dz = _axis(points[2, n], scale, smooth)
    return _corners(x, y, z, level, uint64(level[6] + first[n])), x0, x1, dx, y0, y1, dy, z0, z1, dz


@compiled
def _gather(rows, points, first, share, level, column, begin, end, out):
    """Samples begin to end of one level: adds their features to out (N, C)."""
    for n in range(begin, end):
        at, x0, x1, _, y0, y1, _, z0, z1, _ = _place(points, n, first, level)
        for k in range(2):
            out[n, column + k] += share[n] * _mixed(rows, at, k, x0, x1, y0, y1, z0, z1)


@compiled
def _gather_slopes(rows, points, first, share, level, column, begin, end, out):
    """The same for the derivatives in x, y and z: out (3, N, C)."""
    for n in range(begin, end):
        at, x0, x1, dx, y0, y1, dy, z0, z1, dz = _place(points, n, first, level)
        for k in range(2):
            out[0, n, column + k] += share[n] * _mixed(rows, at, k, -dx, dx, y0, y1, z0, z1)
            out[1, n, column + k] += share[n] * _mixed(rows, at, k, x0, x1, -dy, dy, z0, z1)
            out[2, n, column + k] += share[n] * _mixed(rows, at, k, x0, x1, y0, y1, -dz, dz)


@compiled
def _spread(grad, points, first, share, level, column, rows):
    """The transpose of _gather for all samples of one level: adds to rows."""
    for n in range(points.shape[1]):
        at, x0, x1, _, y0, y1, _, z0, z1, _ = _place(points, n, first, level)
        for k in range(2):
            _shared_out(rows, at, k, share[n] * grad[n, column + k], x0, x1, y0, y1, z0, z1)


@compiled
def _spread_slopes(grad, points, first, share, level, column, rows):
    """The transpose of _gather_slopes."""
    for n in range(points.shape[1]):
        at, x0, x1, dx, y0, y1, dy, z0, z1, dz = _place(points, n, first, level)
        for k in range(2):
            _shared_out(rows, at, k, share[n] * grad[0, n, column + k], -dx, dx, y0, y1, z0, z1)
            _shared_out(rows, at, k, share[n] * grad[1, n, column + k], x0, x1, -dy, dy, z0, z1)
            _shared_out(rows, at, k, share[n] * grad[2, n, column + k], x0, x1, y0, y1, -dz, dz)


def gather(
    rows: Tensor,  # (M, 2)
    points: Tensor,  # (3, N)
    first: Tensor,  # (G, N) int32: each sample's first row in G grids
    share: Tensor,  # (G, N) of these grids
    levels: tuple[Level, ...],
    slopes: bool,
) -> Tensor:  # (N, 2 L) features, or their three slopes (3, N, 2 L)
    """Threads share the samples."""
    count, kernel = points.shape[1], _gather_slopes if slopes else _gather
    out = rows.new_zeros(*(3,) * slopes, count, 2 * len(levels))
    table, places = _array(rows), _array(points)
    grids = list(zip(_array(first), _array(share), strict=True))

    def part(begin: int, end: int) -> None:
        for k, level in enumerate(levels):
            for row, part_of in grids:
                kernel(table, places, row, part_of, _numbers(level), 2 * k, begin, end, out.numpy())

    in_parts(part, count)
    return out


def spread(
    grad: Tensor,  # (N, 2 L) or (3, N, 2 L)
    points: Tensor,  # (3, N)
    first: Tensor,  # (G, N) int32: each sample's first row in G grids
    share: Tensor,  # (G, N) of these grids
    levels: tuple[Level, ...],
    count: int,  # rows of the table
) -> Tensor:  # (count, 2)
    """The transpose of gather. Threads share the levels, whose rows are their own: sums have a fixed order."""
    total, kernel = grad.new_zeros(count, 2), _spread if grad.ndim == 2 else _spread_slopes
    values, places = _array(grad), _array(points)
    grids = list(zip(_array(first), _array(share), strict=True))

    def one(k: int) -> None:
        for row, part_of in grids:
            kernel(values, places, row, part_of, _numbers(levels[k]), 2 * k, total.numpy())

    in_turn(one, len(levels), points.shape[1])
    return total


def _array(values: Tensor) -> Any:
    return values.detach().contiguous().numpy()


def _numbers(level: Level) -> tuple[Any, ...]:
    """A level as the kernels take it; a mask of all ones where every corner has its own row."""
    strides = (np.uint32(s & ALL_BITS) for s in level.strides)
    mask = np.uint32(level.rows - 1 if level.wraps else ALL_BITS)
    return np.float32(level.scale), *strides, level.hashed, mask, np.int64(level.offset), level.smooth
