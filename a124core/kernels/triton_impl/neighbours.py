"""Squared distances of neighbouring time grids in Triton: a program walks through time with BLOCK columns of the table,
so each value is read once, and on the way back each gradient written once; nothing of the table's size lies between."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

BLOCK = 1024  # columns of one program


@triton.jit
def _forward(values, partial, grids, columns, CLOSED: tl.constexpr, BLOCK: tl.constexpr):
    """One sum per program: added up outside, always in the same order."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    place = values + column
    before = tl.load(place, mask=mask, other=0.0)
    first = before
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for _ in range(1, grids):
        place += columns
        now = tl.load(place, mask=mask, other=0.0)
        total += (now - before) * (now - before)
        before = now
    if CLOSED:
        total += (first - before) * (first - before)
    tl.store(partial + tl.program_id(0), tl.sum(total, 0))


@triton.jit
def _backward(values, last, grad, out, grids, columns, CLOSED: tl.constexpr, BLOCK: tl.constexpr):
    """2 grad (v_k - v_(k-1)) + 2 grad (v_k - v_(k+1)), of the neighbours that are there; last is the last grid."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    factor = 2.0 * tl.load(grad)
    place, target = values + column, out + column
    now = tl.load(place, mask=mask, other=0.0)
    first = now
    end = tl.load(last + column, mask=mask, other=0.0)
    rise = now - end if CLOSED else tl.zeros([BLOCK], dtype=tl.float32)
    for _ in range(1, grids):
        place += columns
        after = tl.load(place, mask=mask, other=0.0)
        tl.store(target, factor * (rise - (after - now)), mask=mask)
        target += columns
        rise = after - now
        now = after
    if CLOSED:
        rise -= first - now
    tl.store(target, factor * rise, mask=mask)


class _Squares(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, closed: bool) -> Tensor:
        ctx.save_for_backward(values)
        ctx.closed = closed
        grids, columns = values.shape
        programs = triton.cdiv(columns, BLOCK)
        partial = values.new_empty(programs)
        _forward[(programs,)](values, partial, grids, columns, CLOSED=closed, BLOCK=BLOCK)
        return partial.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (values,) = ctx.saved_tensors
        out = torch.empty_like(values)
        grids, columns = values.shape
        grid = (triton.cdiv(columns, BLOCK),)
        _backward[grid](values, values[-1], grad.contiguous(), out, grids, columns, CLOSED=ctx.closed, BLOCK=BLOCK)
        return out, None


def temporal_tv(values: Tensor, closed: bool) -> Tensor:  # (T, M) -> scalar
    """torch_neighbours.temporal_tv; once differentiable."""
    return _Squares.apply(values.contiguous(), closed)
