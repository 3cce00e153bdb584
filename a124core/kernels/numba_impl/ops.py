"""The costly operations of torch_ops on a CPU, compiled by Numba. Imported at first use only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..grid_index import Level
from ..torch_impl.moments import in_time, inside_cube
from .grid import gather, spread
from .march import march
from .points import splat_points

__all__ = ["encode_grid", "encode_grid_gradient", "march", "splat_points"]

NAME = "numba"  # as A124_KERNELS names it


class _Gather(torch.autograd.Function):
    """Linear in the rows. Its derivative is _Spread, and the other way round: second derivatives exist."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, points: Tensor, first: Tensor, share: Tensor, *options: Any) -> Tensor:
        ctx.save_for_backward(points, first, share)
        ctx.options, ctx.count = options, rows.shape[0]
        return gather(rows, points, first, share, *options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (_Spread.apply(grad, ctx.count, *ctx.saved_tensors, *ctx.options), *[None] * 5)


class _Spread(torch.autograd.Function):
    """The transpose of _Gather."""

    @staticmethod
    def forward(
        ctx: Any, grad: Tensor, count: int, points: Tensor, first: Tensor, share: Tensor, *options: Any
    ) -> Tensor:
        ctx.save_for_backward(points, first, share)
        ctx.options = options
        return spread(grad, points, first, share, options[0], count)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (_Gather.apply(gradient, *ctx.saved_tensors, *ctx.options), *[None] * 6)


def encode_grid(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3) in [-1, 1]
    time: Tensor,  # (N,) in [0, 1]
    levels: tuple[Level, ...],
    loop: bool = False,
) -> Tensor:  # (N, 2 * len(levels))
    """torch_ops.encode_grid."""
    return _encoded(table, xyz, time, levels, loop, False)


def encode_grid_gradient(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3)
    time: Tensor,  # (N,)
    levels: tuple[Level, ...],
    loop: bool = False,
) -> Tensor:  # (3, N, 2 * len(levels))
    """torch_ops.encode_grid_gradient."""
    return _encoded(table, xyz, time, levels, loop, True)


def _encoded(
    table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool, slopes: bool
) -> Tensor:  # (N, 2 L) or (3, N, 2 L)
    """Summed in fp32, whatever the table's precision."""
    points = xyz.T.contiguous()
    rows, when = in_time(table.float(), time, len(levels), loop)
    share = xyz.new_ones(when.first.shape) if when.share is None else when.share
    inside = inside_cube(points)
    share = share if inside is None else share * inside
    return _Gather.apply(rows, points, when.first, share, levels, slopes).to(table.dtype)
