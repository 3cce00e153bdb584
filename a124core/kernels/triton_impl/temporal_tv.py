"""Temporal total variation in Triton: a program walks through time with BLOCK columns of the table, so each value is
read once, and in the backward pass each gradient, in a smoothing each value is written once; no copy of the table is
made."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 1024  # columns of one program


@triton.jit
def _tv_forward(values, partial, n_grids, columns, CLOSED: tl.constexpr, BLOCK: tl.constexpr):
    """One sum per program: added up outside, always in the same order."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    source = values + column
    previous = tl.load(source, mask=mask, other=0.0)
    first = previous
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for _ in range(1, n_grids):
        source += columns
        current = tl.load(source, mask=mask, other=0.0)
        total += (current - previous) * (current - previous)
        previous = current
    if CLOSED:
        total += (first - previous) * (first - previous)
    tl.store(partial + tl.program_id(0), tl.sum(total, 0))


@triton.jit
def _tv_backward(values, last, grad, out, n_grids, columns, CLOSED: tl.constexpr, BLOCK: tl.constexpr):
    """2 grad (v_k - v_(k-1)) + 2 grad (v_k - v_(k+1)), of the neighbours that exist; last is the last grid."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    factor = 2.0 * tl.load(grad)
    source, target = values + column, out + column
    current = tl.load(source, mask=mask, other=0.0)
    first = current
    end = tl.load(last + column, mask=mask, other=0.0)
    rise = current - end if CLOSED else tl.zeros([BLOCK], dtype=tl.float32)
    for _ in range(1, n_grids):
        source += columns
        following = tl.load(source, mask=mask, other=0.0)
        tl.store(target, factor * (rise - (following - current)), mask=mask)
        target += columns
        rise = following - current
        current = following
    if CLOSED:
        rise -= first - current
    tl.store(target, factor * rise, mask=mask)


class _TemporalTV(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, closed: bool) -> Tensor:
        ctx.save_for_backward(values)
        ctx.closed = closed
        n_grids, columns = values.shape
        programs = triton.cdiv(columns, BLOCK)
        partial = values.new_empty(programs)
        _tv_forward[(programs,)](values, partial, n_grids, columns, CLOSED=closed, BLOCK=BLOCK)
        return partial.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (values,) = ctx.saved_tensors
        out = torch.empty_like(values)
        n_grids, columns = values.shape
        grid = (triton.cdiv(columns, BLOCK),)
        _tv_backward[grid](values, values[-1], grad.contiguous(), out, n_grids, columns, CLOSED=ctx.closed, BLOCK=BLOCK)
        return out, None


def temporal_tv(values: Tensor, closed: bool) -> Tensor:  # (T, M) -> scalar
    """As torch_impl.temporal_tv.temporal_tv; once differentiable."""
    return _TemporalTV.apply(values.contiguous(), closed)


@triton.jit
def _smooth(values, last, share, n_grids, columns, CLOSED: tl.constexpr, BLOCK: tl.constexpr):
    """last is the last grid, read before it changes."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    offset = column.to(tl.int64)
    current = tl.load(values + offset, mask=mask, other=0.0)
    first = current
    rise = tl.zeros([BLOCK], dtype=tl.float32)
    if CLOSED:
        rise = current - tl.load(last + column, mask=mask, other=0.0)
    for k in range(n_grids):
        more = k + 1 < n_grids
        following = tl.load(values + offset + columns, mask=mask & more, other=0.0)
        next_rise = (tl.where(more, following, first) if CLOSED else tl.where(more, following, current)) - current
        tl.store(values + offset, current + 0.5 * share * (next_rise - rise), mask=mask)
        rise = next_rise
        current = following
        offset += columns


@torch.no_grad()
def temporal_smoothing(values: Tensor, share: float, closed: bool) -> None:
    """As torch_impl.temporal_tv.temporal_smoothing, for contiguous tensors."""
    n_grids, columns = values.shape
    grid = (triton.cdiv(columns, BLOCK),)
    _smooth[grid](values, values[-1], share, n_grids, columns, CLOSED=closed, BLOCK=BLOCK)
