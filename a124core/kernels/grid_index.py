"""The rows of the grid at the corners around a point, and their weights."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

PRIMES = (1, 2654435761, 805459861)  # of the spatial hash (Instant-NGP, eq. 4)


@dataclass(frozen=True)
class Level:
    """One resolution of the grid, as rows [offset, offset + rows) of a time grid."""

    scale: float  # position = u * scale + 0.5 for u in [0, 1]
    strides: tuple[int, int, int]  # row = x sx + y sy + z sz; for a hashed level the three primes
    hashed: bool  # xor instead of sum
    rows: int
    offset: int
    wraps: bool  # row is taken modulo rows; False: every corner has its own row
    smooth: bool  # smoothstep weights 3 f^2 - 2 f^3 instead of linear ones

    @property
    def mask(self) -> int:
        """Return the bits of a row that count: of a modulo by a power of two; else all."""
        return self.rows - 1 if self.wraps and not self.folds else 0xFFFFFFFF

    @property
    def folds(self) -> bool:
        """Is the modulo of a row below 2 * rows, by no power of two? So on tiny-cuda-nn's dense levels, whose far
        faces have no rows of their own."""
        return self.wraps and self.rows & (self.rows - 1) != 0


def space_corners(
    xyz: Tensor,  # (3, N) in [-1, 1]
    level: Level,
    slopes: bool = False,
) -> tuple[Tensor, Tensor]:  # rows (8, N) int32; weights (8, N) or, with slopes, their x, y, z derivatives (3, 8, N)
    """Return the 8 corners around each point; corner (dx, dy, dz) has index 4 dz + 2 dy + dx.

    Points run along the last dimension everywhere here: with the corners last, a CPU is ten times slower."""
    position = (xyz.clamp(-1.0, 1.0) * 0.5 + 0.5) * level.scale + 0.5
    cell = position.floor()
    index = corner_rows(cell.to(torch.int32), level)
    lower, upper, slope = _axis_weights(position - cell, level)
    weight = torch.stack((lower, upper), dim=1)  # (3, 2, N)
    if not slopes:
        return index, _outer(operator.mul, *weight)
    change = torch.stack((-slope, slope), dim=1)
    axes = ([change[b] if b == a else weight[b] for b in range(3)] for a in range(3))
    return index, torch.stack([_outer(operator.mul, *factors) for factors in axes])


def _axis_weights(fraction: Tensor, level: Level) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights of the lower and the upper corner along each axis, and d upper / d coordinate: (3, N) each."""
    if level.smooth:
        upper = fraction * fraction * (3.0 - 2.0 * fraction)
        return 1.0 - upper, upper, 6.0 * fraction * (1.0 - fraction) * (0.5 * level.scale)
    return 1.0 - fraction, fraction, torch.full_like(fraction, 0.5 * level.scale)


def _outer(combine: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor, z: Tensor) -> Tensor:
    """Combine (2, N) per axis to (8, N), x fastest."""
    yx = combine(y[:, None], x[None]).flatten(0, 1)
    return combine(z[:, None], yx[None]).flatten(0, 1)


def corner_rows(cell: Tensor, level: Level) -> Tensor:  # (3, N) int32 -> (8, N) int32
    """Return each corner's row. 32-bit wrap-around is harmless: where it happens, rows is a power of two."""
    axes = []
    for cells, stride in zip(cell, map(as_int32, level.strides), strict=True):
        low = cells * stride
        axes.append(torch.stack((low, low + stride)))
    index = _outer(operator.xor if level.hashed else operator.add, *axes)
    if level.folds:
        index %= level.rows
    elif level.wraps:
        index &= level.mask
    return index.add_(level.offset)


def as_int32(value: int) -> int:
    """Return the same low 32 bits as a signed number."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >= 1 << 31 else value


def time_corners(
    time: Tensor,  # (N,) in [0, 1]
    n_grids: int,
    n_rows: int,  # of one time grid
    loop: bool,
) -> tuple[Tensor, Tensor]:  # first rows of two time grids (2, N) int32, their shares (2, N)
    """Eq. 1: g = t (T - 1), the grids at floor(g) and ceil(g). In a loop g = t T, and the last grid neighbours the
    first."""
    g = time.clamp(0.0, 1.0) * (n_grids if loop else n_grids - 1)
    lower = g.floor()
    upper = lower + 1 if loop else g.ceil()
    grids = torch.stack((lower, upper)).to(torch.int32)
    if loop:
        grids = grids % n_grids
    share = g - lower
    return grids * n_rows, torch.stack((1.0 - share, share))
