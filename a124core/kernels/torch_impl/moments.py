"""Where in a table the samples of a few moments look, and which of them lie in the cube."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..grid_index import time_corners


@dataclass(frozen=True)
class When:
    """For each of N samples: the first rows of G grids, and their shares."""

    first: Tensor  # (G, N) int32
    share: Tensor | None  # (G, N); None: one grid, whole


def in_time(table: Tensor, time: Tensor, levels: int, loop: bool) -> tuple[Tensor, When]:
    """The table to gather from, (M, 2), and where in it each sample looks.

    The samples of a frame share one moment. Where moments are few, each has its grid made first, once, and a sample
    then looks at 8 corners of one grid instead of 16 of two; else every sample mixes two grids by itself."""
    grids, rows = table.shape[:2]
    moments, which = torch.unique_consecutive(time, return_inverse=True)
    if len(moments) * rows <= 8 * levels * time.shape[0]:
        return _grids_at(table, moments, loop), When((which * rows).to(torch.int32)[None], None)
    return table.reshape(-1, table.shape[-1]), When(*time_corners(time, grids, rows, loop))


def _grids_at(table: Tensor, moments: Tensor, loop: bool) -> Tensor:  # (T, rows, 2), (M,) -> (M * rows, 2)
    """One grid per moment, linear between its two neighbours in time."""
    if table.shape[0] == 1 and len(moments) == 1:
        return table[0]
    pair, share = time_corners(moments, table.shape[0], 1, loop)
    lower, upper = pair.tolist()
    mix = tuple(zip(lower, upper, share[1].tolist(), strict=True))
    return _Mixed.apply(table, mix).view(-1, table.shape[-1])


class _Mixed(torch.autograd.Function):
    """(T, rows, 2) -> (M, rows, 2): grids a and b mixed as (1 - s) a + s b. Its derivative is _Unmixed, and the other
    way round."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, mix: tuple[tuple[int, int, float], ...]) -> Tensor:
        ctx.mix, ctx.grids = mix, table.shape[0]
        out = table.new_empty(len(mix), *table.shape[1:])
        for mixed, (a, b, s) in zip(out, mix, strict=True):
            torch.lerp(table[a], table[b], s, out=mixed)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Unmixed.apply(grad, ctx.mix, ctx.grids), None


class _Unmixed(torch.autograd.Function):
    """The transpose of _Mixed."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, mix: tuple[tuple[int, int, float], ...], grids: int) -> Tensor:
        ctx.mix = mix
        total = grad.new_zeros(grids, *grad.shape[1:])
        for mixed, (a, b, s) in zip(grad, mix, strict=True):
            total[a].add_(mixed, alpha=1.0 - s)
            if s:
                total[b].add_(mixed, alpha=s)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _Mixed.apply(gradient, ctx.mix), None, None


def inside_cube(points: Tensor) -> Tensor | None:  # (3, N) -> (N,) bool
    """Which points lie in the cube; None if all do, as the marcher sees to."""
    inside = (points.abs() <= 1.0).all(dim=0)
    return None if bool(inside.all()) else inside
