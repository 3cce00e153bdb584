"""Sums along rays in Triton: one program owns a ray's samples, so nothing is added twice at once and order is fixed."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

RAYS, STEPS = 8, 32  # of one program: rays, and samples of each at a time
BLOCK = 256  # samples of one program on the way back


@triton.jit
def _forward(weights, values, ends, out, rays, COLUMNS: tl.constexpr, RAYS: tl.constexpr, STEPS: tl.constexpr):
    """One column of out (rays, COLUMNS)."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    column = tl.program_id(1)
    mask = ray < rays
    first = tl.load(ends + ray - 1, mask=mask & (ray > 0), other=0)
    length = tl.where(mask, tl.load(ends + ray, mask=mask, other=0) - first, 0)
    total = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, tl.max(length, 0), STEPS):
        slot = k + tl.arange(0, STEPS)
        live = slot[None, :] < length[:, None]
        place = first[:, None] + slot[None, :]
        value = tl.load(values + place * COLUMNS + column, mask=live, other=0.0)
        total += tl.sum(tl.load(weights + place, mask=live, other=0.0) * value, 1)
    tl.store(out + ray * COLUMNS + column, total, mask=mask)


@triton.jit
def _backward(weights, values, grad, ray, to_weights, to_values, count, COLUMNS: tl.constexpr, BLOCK: tl.constexpr):
    """d weights_i = values_i . grad[ray_i]; d values_i = weights_i grad[ray_i]."""
    sample = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = sample < count
    w, r = tl.load(weights + sample, mask=mask, other=0.0), tl.load(ray + sample, mask=mask, other=0)
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for column in tl.static_range(COLUMNS):
        g = tl.load(grad + r * COLUMNS + column, mask=mask, other=0.0)
        total += g * tl.load(values + sample * COLUMNS + column, mask=mask, other=0.0)
        tl.store(to_values + sample * COLUMNS + column, w * g, mask=mask)
    tl.store(to_weights + sample, total, mask=mask)


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, values: Tensor, ray: Tensor, rays: int) -> Tensor:
        ctx.save_for_backward(weights, values, ray)
        out, columns = values.new_empty(rays, values.shape[1]), values.shape[1]
        grid = (triton.cdiv(rays, RAYS), columns)
        _forward[grid](weights, values, ray_ends(ray, rays), out, rays, COLUMNS=columns, RAYS=RAYS, STEPS=STEPS)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, ray = ctx.saved_tensors
        to_weights, to_values = torch.empty_like(weights), torch.empty_like(values)
        count, columns = values.shape
        if count:
            _backward[(triton.cdiv(count, BLOCK),)](
                weights, values, grad.contiguous(), ray, to_weights, to_values, count, COLUMNS=columns, BLOCK=BLOCK
            )
        return to_weights, to_values, None, None


def ray_ends(ray: Tensor, rays: int) -> Tensor:  # (N,) ascending -> (R,)
    """One past the last sample of each ray."""
    return torch.searchsorted(ray, torch.arange(rays, device=ray.device), right=True)


def accumulate(weights: Tensor, values: Tensor, ray: Tensor, rays: int) -> Tensor:  # (rays, C)
    """torch_composite.accumulate; once differentiable. ray is ascending."""
    if not rays:
        return values.new_zeros(0, values.shape[1])
    return _Sums.apply(weights.contiguous(), values.contiguous(), ray.contiguous(), rays)
