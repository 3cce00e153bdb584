"""The operations of torch_ops in Triton: same arguments, same values and gradients. Imported at first use only.

splat_points is not among them: built-in priors draw on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..grid_index import Level
from .adam import adam_time_tv
from .composite import render_weights, transmittance
from .grid import gather, spread
from .march import march
from .mlp import mlp
from .neighbours import temporal_tv
from .sums import accumulate

__all__ = [
    "accumulate",
    "adam_time_tv",
    "encode_grid",
    "encode_grid_gradient",
    "march",
    "mlp",
    "render_weights",
    "temporal_tv",
    "transmittance",
]

NAME = "triton"  # as A124_KERNELS names it


class _Gather(torch.autograd.Function):
    """Linear in the table; points and times carry no gradient here. Its derivative is _Spread, and the other way
    round: second derivatives exist."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, xyz: Tensor, time: Tensor, *options: Any) -> Tensor:
        ctx.save_for_backward(xyz, time)
        ctx.options, ctx.shape, ctx.dtype = options, table.shape, table.dtype
        return gather(table, xyz, time, *options)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        found = _Spread.apply(grad, *ctx.saved_tensors, ctx.shape, *ctx.options)
        return (found.to(ctx.dtype), *[None] * 5)


class _Spread(torch.autograd.Function):
    """The transpose of _Gather."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, xyz: Tensor, time: Tensor, shape: torch.Size, *options: Any) -> Tensor:
        ctx.save_for_backward(xyz, time)
        ctx.options, ctx.dtype = options, grad.dtype
        return spread(grad, xyz, time, shape, *options)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        return (_Gather.apply(gradient, *ctx.saved_tensors, *ctx.options).to(ctx.dtype), *[None] * 6)


def encode_grid(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3) in [-1, 1]
    time: Tensor,  # (N,) in [0, 1]
    levels: tuple[Level, ...],
    loop: bool = False,
) -> Tensor:  # (N, 2 * len(levels))
    """torch_ops.encode_grid."""
    return _Gather.apply(table, xyz, time, levels, loop, False)


def encode_grid_gradient(
    table: Tensor,  # (T, rows, 2)
    xyz: Tensor,  # (N, 3)
    time: Tensor,  # (N,)
    levels: tuple[Level, ...],
    loop: bool = False,
) -> Tensor:  # (3, N, 2 * len(levels))
    """torch_ops.encode_grid_gradient."""
    return _Gather.apply(table, xyz, time, levels, loop, True)
