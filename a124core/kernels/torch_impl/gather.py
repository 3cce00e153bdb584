"""Weighted sums of table rows, and their transpose."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor


class _WeightedRows(torch.autograd.Function):
    """All levels at once, so that their gradients meet in one table. Its derivative is _SpreadRows and the other way
    round: second derivatives exist."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, *bags: Tensor) -> Tensor:
        ctx.save_for_backward(rows, *bags)
        table = _paired(rows)
        columns = []
        for index, weight in zip(bags[::2], bags[1::2], strict=True):
            found = table.index_select(0, index.flatten()).view(*index.shape, *table.shape[1:])
            sums = [(found * w).sum(0) for w in _planes(weight, table)]
            columns.append(torch.stack(sums) if weight.ndim == 3 else sums[0])
        if table.ndim == 1:
            return torch.view_as_real(torch.stack(columns, dim=-1)).flatten(-2)
        return torch.cat(columns, dim=-1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, *bags = ctx.saved_tensors
        to_rows = _SpreadRows.apply(grad, rows.shape[0], *bags) if ctx.needs_input_grad[0] else None
        return (to_rows, *_weight_gradients(ctx.needs_input_grad[1:], rows, grad, bags))


class _SpreadRows(torch.autograd.Function):
    """The transpose of _WeightedRows: (N, C levels) back to the rows it came from. Nothing is sorted."""

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
        to_grad = _WeightedRows.apply(gradient, *bags) if ctx.needs_input_grad[0] else None
        return (to_grad, None, *_weight_gradients(ctx.needs_input_grad[2:], gradient, grad, bags))


def _weight_gradients(needed: tuple[bool, ...], rows: Tensor, grad: Tensor, bags: list[Tensor]) -> list[Tensor | None]:
    """d loss / d weight[..., k, n] = rows[index[k, n]] . grad[..., n], where it is asked for; None for every index."""
    parts = _by_level(grad, len(bags) // 2)
    found: list[Tensor | None] = [None] * len(bags)
    for k in range(len(bags) // 2):
        if needed[2 * k + 1]:
            found[2 * k + 1] = (rows[bags[2 * k].long()] * parts[..., k, :].unsqueeze(-3)).sum(-1)
    return found


def _by_level(grad: Tensor, levels: int) -> Tensor:  # (..., N, C levels) -> (..., N, levels, C), also for N = 0
    return grad.reshape(*grad.shape[:-1], levels, grad.shape[-1] // levels)


def _planes(weight: Tensor, table: Tensor) -> list[Tensor]:
    """Each (K, N) of weights, ready to be multiplied with rows of the table."""
    planes = list(weight) if weight.ndim == 3 else [weight]
    return planes if table.ndim == 1 else [w[..., None] for w in planes]


def _paired(values: Tensor) -> Tensor:
    """(N, 2) floats as (N,) complex numbers, which CPUs and CUDA gather and add several times faster than pairs."""
    pairs = values.shape[1] == 2 and values.dtype in (torch.float32, torch.float64)
    return torch.view_as_complex(values) if pairs and values.device.type in ("cpu", "cuda") else values


def weighted_rows(
    rows: Tensor,  # (M, C)
    bags: list[tuple[Tensor, Tensor]],  # per level: index (K, N) integers below M, weight (K, N) or (A, K, N)
) -> Tensor:  # (N, C * levels) or (A, N, C * levels)
    """sum_k weight[..., k, n] rows[index[k, n]], level by level. Rows are fetched once for all A."""
    flat = [part for index, weight in bags for part in (index, weight.to(rows.dtype))]
    return _WeightedRows.apply(rows, *flat)
