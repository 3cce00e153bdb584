"""The 4D grid encoding (Eq. 1) in plain torch: the specification. Weighted sums of table rows, and their transpose."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from ..grid_index import Level, space_corners, time_corners


def encode_grid(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3) in [-1, 1]
    time: Tensor,  # (N,) in [0, 1]
    levels: tuple[Level, ...],
    loop: bool = False,
    slopes: bool = False,
) -> Tensor:  # (N, 2 * len(levels)); with slopes (3, N, 2 * len(levels)), its derivatives by x, y and z
    """Return the trilinear features of every level, linear between the two time grids around each sample.

    Both are differentiable with respect to the table. Samples outside the cube have zero features and no gradient
    (release's encoder)."""
    points = xyz.T.contiguous()
    rows, grids = select_grids(table, time, len(levels), loop)
    inside = inside_cube(points)
    return weighted_rows(
        rows, [mixed_grids(*space_corners(points, level, slopes), inside, grids) for level in levels]
    )


@dataclass(frozen=True)
class GridRows:
    """For each of N samples: the first rows of the G grids that it mixes, and their shares."""

    first: Tensor  # (G, N) int32
    share: Tensor | None  # (G, N); None: one grid, whole


def select_grids(table: Tensor, time: Tensor, n_levels: int, loop: bool) -> tuple[Tensor, GridRows]:
    """Return the rows to gather from, (M, 2), and the grids among them that each sample mixes.

    The samples of a frame share one time. Where distinct times are few, each has its grid interpolated first, once, and
    a sample then reads 8 corners of one grid instead of 16 of two; else every sample mixes two grids by itself."""
    n_grids, n_rows = table.shape[:2]
    times, index = torch.unique_consecutive(time, return_inverse=True)
    if is_few(len(times), time.shape[0], n_rows, n_levels):
        return grids_at(table, times, loop), GridRows((index * n_rows).to(torch.int32)[None], None)
    return table.reshape(-1, table.shape[-1]), GridRows(*time_corners(time, n_grids, n_rows, loop))


def is_few(n_times: int, n_samples: int, n_rows: int, n_levels: int) -> bool:
    """Are distinct times so few that a grid for each is less work than two for every sample?"""
    return n_times * n_rows <= 8 * n_levels * n_samples


def inside_cube(points: Tensor) -> Tensor | None:  # (3, N) -> (N,) bool
    """Return which points lie in the cube; None if all do, as after marching."""
    inside = (points.abs() <= 1.0).all(dim=0)
    return None if bool(inside.all()) else inside


def mixed_grids(index: Tensor, weight: Tensor, inside: Tensor | None, grids: GridRows) -> tuple[Tensor, Tensor]:
    """Combine K corners with G grids: index (K, N), weight (..., K, N) -> (K G, N), (..., K G, N). Overwrites index."""
    if inside is not None:
        weight = weight * inside
    if grids.share is None:
        return index.add_(grids.first), weight
    weight = (grids.share[:, None] * weight.unsqueeze(-3)).flatten(-3, -2)
    return (grids.first[:, None] + index[None]).flatten(0, 1), weight


def weighted_rows(
    rows: Tensor,  # (M, C)
    bags: list[tuple[Tensor, Tensor]],  # per level: index (K, N) integers below M, weight (K, N) or (A, K, N)
) -> Tensor:  # (N, C * levels) or (A, N, C * levels)
    """Return sum_k weight[..., k, n] rows[index[k, n]], level by level. Rows are read once for all A."""
    flat = [part for index, weight in bags for part in (index, weight.to(rows.dtype))]
    return _EncodeForward.apply(rows, *flat)


class _EncodeForward(torch.autograd.Function):
    """All levels at once, so that their gradients meet in one table. Its derivative is _EncodeBackward and vice versa:
    second derivatives exist."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, *bags: Tensor) -> Tensor:
        ctx.save_for_backward(rows, *bags)
        table = _paired(rows)
        columns = []
        for index, weight in zip(bags[::2], bags[1::2], strict=True):
            corners = table.index_select(0, index.flatten()).view(*index.shape, *table.shape[1:])
            sums = [(corners * w).sum(0) for w in _planes(weight, table)]
            columns.append(torch.stack(sums) if weight.ndim == 3 else sums[0])
        if table.ndim == 1:
            return torch.view_as_real(torch.stack(columns, dim=-1)).flatten(-2)
        return torch.cat(columns, dim=-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, *bags = ctx.saved_tensors
        to_rows = _EncodeBackward.apply(grad, rows.shape[0], *bags) if ctx.needs_input_grad[0] else None
        return (to_rows, *_weight_gradients(ctx.needs_input_grad[1:], rows, grad, bags))


class _EncodeBackward(torch.autograd.Function):
    """The transpose of _EncodeForward: (N, C levels) is added to the rows it came from. Nothing is sorted."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, count: int, *bags: Tensor) -> Tensor:
        ctx.save_for_backward(grad, *bags)
        parts = _by_level(grad, len(bags) // 2)
        total = grad.new_zeros(count, parts.shape[-1])
        table = _paired(total)
        for k, (index, weight) in enumerate(zip(bags[::2], bags[1::2], strict=True)):
            column = parts[..., k, :].contiguous()
            planes = [_paired(plane) for plane in (column if weight.ndim == 3 else column[None])]
            values = reduce(torch.add, (p * w for p, w in zip(planes, _planes(weight, table), strict=True)))
            table.index_add_(0, index.flatten().long(), values.flatten(0, 1))
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        grad, *bags = ctx.saved_tensors
        to_grad = _EncodeForward.apply(gradient, *bags) if ctx.needs_input_grad[0] else None
        return (to_grad, None, *_weight_gradients(ctx.needs_input_grad[2:], gradient, grad, bags))


def _weight_gradients(needed: tuple[bool, ...], rows: Tensor, grad: Tensor, bags: list[Tensor]) -> list[Tensor | None]:
    """Return d loss / d weight[..., k, n] = rows[index[k, n]] . grad[..., n] where needed; None for every index."""
    parts = _by_level(grad, len(bags) // 2)
    gradients: list[Tensor | None] = [None] * len(bags)
    for k in range(len(bags) // 2):
        if needed[2 * k + 1]:
            gradients[2 * k + 1] = (rows[bags[2 * k].long()] * parts[..., k, :].unsqueeze(-3)).sum(-1)
    return gradients


def _by_level(grad: Tensor, n_levels: int) -> Tensor:  # (..., N, C levels) -> (..., N, levels, C), also for N = 0
    return grad.reshape(*grad.shape[:-1], n_levels, grad.shape[-1] // n_levels)


def _planes(weight: Tensor, table: Tensor) -> list[Tensor]:
    """Return each (K, N) of weights in a shape that multiplies rows of the table."""
    planes = list(weight) if weight.ndim == 3 else [weight]
    return planes if table.ndim == 1 else [w[..., None] for w in planes]


def _paired(values: Tensor) -> Tensor:
    """View (N, 2) floats as (N,) complex numbers, which CPUs and CUDA gather and add several times faster."""
    pairs = values.shape[1] == 2 and values.dtype in (torch.float32, torch.float64)
    return torch.view_as_complex(values) if pairs and values.device.type in ("cpu", "cuda") else values


def grids_at(table: Tensor, times: Tensor, loop: bool) -> Tensor:  # (T, rows, 2), (M,) -> (M * rows, 2)
    """Interpolate one grid per time, linear between its two neighbours."""
    if table.shape[0] == 1 and len(times) == 1:
        return table[0]
    pair, share = time_corners(times, table.shape[0], 1, loop)
    lower, upper = pair.tolist()
    mix = tuple(zip(lower, upper, share[1].tolist(), strict=True))
    return _InterpolateForward.apply(table, mix).view(-1, table.shape[-1])


class _InterpolateForward(torch.autograd.Function):
    """(T, rows, 2) -> (M, rows, 2): grids a and b mixed as (1 - s) a + s b. Its derivative is _InterpolateBackward and
    vice versa."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, mix: tuple[tuple[int, int, float], ...]) -> Tensor:
        ctx.mix, ctx.n_grids = mix, table.shape[0]
        out = table.new_empty(len(mix), *table.shape[1:])
        for mixed, (a, b, s) in zip(out, mix, strict=True):
            torch.lerp(table[a], table[b], s, out=mixed)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _InterpolateBackward.apply(grad, ctx.mix, ctx.n_grids), None


class _InterpolateBackward(torch.autograd.Function):
    """The transpose of _InterpolateForward."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, mix: tuple[tuple[int, int, float], ...], n_grids: int) -> Tensor:
        ctx.mix = mix
        total = grad.new_zeros(n_grids, *grad.shape[1:])
        for mixed, (a, b, s) in zip(grad, mix, strict=True):
            total[a].add_(mixed, alpha=1.0 - s)
            if s:
                total[b].add_(mixed, alpha=s)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return _InterpolateForward.apply(gradient, ctx.mix), None, None
