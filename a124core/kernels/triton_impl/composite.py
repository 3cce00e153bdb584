"""Compositing in Triton: each ray's samples lie together, so one program carries a ray's light from front to back and
sums its values: nothing is added twice at once and the order is fixed."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

RAYS, STEPS = 8, 32  # of one program: rays, and samples of each at a time
BLOCK = 256  # samples of one program in the backward pass of sums


@triton.jit
def _alpha(thickness):
    """1 - exp(-x); by its series where the difference would lose digits."""
    series = thickness * (1.0 - thickness * (0.5 - thickness * (1.0 / 6.0 - thickness / 24.0)))
    return tl.where(thickness < 0.03, series, 1.0 - tl.exp(-thickness))


@triton.jit
def _ray_range(ends, ray, n_rays):
    """The rays that exist, the first sample of each, and the number of its samples."""
    mask = ray < n_rays
    first = tl.load(ends + ray - 1, mask=mask & (ray > 0), other=0)
    return mask, first, tl.where(mask, tl.load(ends + ray, mask=mask, other=0) - first, 0)


@triton.jit
def _light_forward(density, ends, out, n_rays, step, WEIGHTS: tl.constexpr, RAYS: tl.constexpr, STEPS: tl.constexpr):
    """Transmittance of every sample or, with WEIGHTS, that times its alpha."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    _, first, length = _ray_range(ends, ray, n_rays)
    before = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, tl.max(length, 0), STEPS):
        slot = k + tl.arange(0, STEPS)
        valid = slot[None, :] < length[:, None]
        sample = first[:, None] + slot[None, :]
        thickness = tl.load(density + sample, mask=valid, other=0.0) * step
        earlier = tl.load(density + sample - 1, mask=valid & (slot[None, :] > k), other=0.0) * step
        light = tl.exp(-(before[:, None] + tl.cumsum(earlier, 1)))  # a difference would be inf - inf
        value = light * _alpha(thickness) if WEIGHTS else light
        tl.store(out + sample, value, mask=valid)
        before += tl.sum(thickness, 1)


@triton.jit
def _weights_backward(density, weights, grad, ends, out, n_rays, step, RAYS: tl.constexpr, STEPS: tl.constexpr):
    """d loss / d density_i = step (T_(i+1) g_i - sum_(j>i) w_j g_j), T_(i+1) = exp(-thickness up to and with i)."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    _, first, length = _ray_range(ends, ray, n_rays)
    longest = tl.max(length, 0)
    behind = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, longest, STEPS):
        slot = k + tl.arange(0, STEPS)
        valid = slot[None, :] < length[:, None]
        sample = first[:, None] + slot[None, :]
        w, g = tl.load(weights + sample, mask=valid, other=0.0), tl.load(grad + sample, mask=valid, other=0.0)
        behind += tl.sum(w * g, 1)
    before = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, longest, STEPS):
        slot = k + tl.arange(0, STEPS)
        valid = slot[None, :] < length[:, None]
        sample = first[:, None] + slot[None, :]
        w, g = tl.load(weights + sample, mask=valid, other=0.0), tl.load(grad + sample, mask=valid, other=0.0)
        thickness = tl.load(density + sample, mask=valid, other=0.0) * step
        after = tl.exp(-(before[:, None] + tl.cumsum(thickness, 1)))
        later = behind[:, None] - tl.cumsum(w * g, 1)
        tl.store(out + sample, step * (after * g - later), mask=valid)
        before += tl.sum(thickness, 1)
        behind -= tl.sum(w * g, 1)


@triton.jit
def _sums_forward(weights, values, ends, out, n_rays, COLUMNS: tl.constexpr, RAYS: tl.constexpr, STEPS: tl.constexpr):
    """One column of out (n_rays, COLUMNS)."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    column = tl.program_id(1)
    mask, first, length = _ray_range(ends, ray, n_rays)
    total = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, tl.max(length, 0), STEPS):
        slot = k + tl.arange(0, STEPS)
        valid = slot[None, :] < length[:, None]
        sample = first[:, None] + slot[None, :]
        value = tl.load(values + sample * COLUMNS + column, mask=valid, other=0.0)
        total += tl.sum(tl.load(weights + sample, mask=valid, other=0.0) * value, 1)
    tl.store(out + ray * COLUMNS + column, total, mask=mask)


@triton.jit
def _sums_backward(
    weights, values, grad, ray_indices, to_weights, to_values, count, COLUMNS: tl.constexpr, BLOCK: tl.constexpr
):
    """d weights_i = values_i . grad[ray_i]; d values_i = weights_i grad[ray_i]."""
    sample = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = sample < count
    w, r = tl.load(weights + sample, mask=mask, other=0.0), tl.load(ray_indices + sample, mask=mask, other=0)
    total = tl.zeros([BLOCK], dtype=tl.float32)
    for column in tl.static_range(COLUMNS):
        g = tl.load(grad + r * COLUMNS + column, mask=mask, other=0.0)
        total += g * tl.load(values + sample * COLUMNS + column, mask=mask, other=0.0)
        tl.store(to_values + sample * COLUMNS + column, w * g, mask=mask)
    tl.store(to_weights + sample, total, mask=mask)


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, density: Tensor, ends: Tensor, step: float) -> Tensor:
        weights = _light(density, ends, step, weights=True)
        ctx.save_for_backward(density, weights, ends)
        ctx.step = step
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        density, weights, ends = ctx.saved_tensors
        out, n_rays = torch.empty_like(density), ends.shape[0]
        _weights_backward[(triton.cdiv(n_rays, RAYS),)](
            density, weights, grad.contiguous(), ends, out, n_rays, ctx.step, RAYS=RAYS, STEPS=STEPS
        )
        return out, None, None


def _light(density: Tensor, ends: Tensor, step: float, weights: bool) -> Tensor:
    out, n_rays = torch.empty_like(density), ends.shape[0]
    grid = (triton.cdiv(n_rays, RAYS),)
    _light_forward[grid](density, ends, out, n_rays, step, WEIGHTS=weights, RAYS=RAYS, STEPS=STEPS)
    return out


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, values: Tensor, ray_indices: Tensor, n_rays: int) -> Tensor:
        ctx.save_for_backward(weights, values, ray_indices)
        out, columns = values.new_empty(n_rays, values.shape[1]), values.shape[1]
        grid, ends = (triton.cdiv(n_rays, RAYS), columns), ray_ends(ray_indices, n_rays)
        _sums_forward[grid](weights, values, ends, out, n_rays, COLUMNS=columns, RAYS=RAYS, STEPS=STEPS)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weights, values, ray_indices = ctx.saved_tensors
        to_weights, to_values = torch.empty_like(weights), torch.empty_like(values)
        count, columns = values.shape
        if count:
            _sums_backward[(triton.cdiv(count, BLOCK),)](
                weights, values, grad.contiguous(), ray_indices, to_weights, to_values, count,
                COLUMNS=columns, BLOCK=BLOCK,
            )
        return to_weights, to_values, None, None


def ray_ends(ray_indices: Tensor, n_rays: int) -> Tensor:  # (N,) ascending -> (R,)
    """Return one past the last sample of each ray."""
    return torch.searchsorted(ray_indices, torch.arange(n_rays, device=ray_indices.device), right=True)


def render_weights(density: Tensor, ray_indices: Tensor, n_rays: int, step: float) -> Tensor:  # (N,)
    """As torch_impl.composite.render_weights; once differentiable."""
    return _Weights.apply(density.contiguous(), ray_ends(ray_indices, n_rays), step) if density.numel() else density


def transmittance(density: Tensor, ray_indices: Tensor, n_rays: int, step: float) -> Tensor:  # (N,)
    """As torch_impl.composite.transmittance, without a gradient."""
    if density.numel() == 0:
        return density
    return _light(density.contiguous(), ray_ends(ray_indices, n_rays), step, weights=False)


def accumulate(weights: Tensor, values: Tensor, ray_indices: Tensor, n_rays: int) -> Tensor:  # (n_rays, C)
    """As torch_impl.composite.accumulate; once differentiable."""
    if not n_rays:
        return values.new_zeros(0, values.shape[1])
    return _Sums.apply(weights.contiguous(), values.contiguous(), ray_indices.contiguous(), n_rays)
