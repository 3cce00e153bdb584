"""Compositing in Triton: each ray's samples stand together, so one program carries its light from front to back."""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from .sums import RAYS, STEPS, ray_ends


@triton.jit
def _alpha(thickness):
    """1 - exp(-x); by its series where the difference would lose digits."""
    series = thickness * (1.0 - thickness * (0.5 - thickness * (1.0 / 6.0 - thickness / 24.0)))
    return tl.where(thickness < 0.03, series, 1.0 - tl.exp(-thickness))


@triton.jit
def _forward(density, ends, out, rays, step, WEIGHTS: tl.constexpr, RAYS: tl.constexpr, STEPS: tl.constexpr):
    """Transmittance of every sample or, with WEIGHTS, that times its alpha."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    mask = ray < rays
    first = tl.load(ends + ray - 1, mask=mask & (ray > 0), other=0)
    length = tl.where(mask, tl.load(ends + ray, mask=mask, other=0) - first, 0)
    before = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, tl.max(length, 0), STEPS):
        slot = k + tl.arange(0, STEPS)
        live = slot[None, :] < length[:, None]
        place = first[:, None] + slot[None, :]
        thickness = tl.load(density + place, mask=live, other=0.0) * step
        earlier = tl.load(density + place - 1, mask=live & (slot[None, :] > k), other=0.0) * step
        light = tl.exp(-(before[:, None] + tl.cumsum(earlier, 1)))  # a difference would be inf - inf
        value = light * _alpha(thickness) if WEIGHTS else light
        tl.store(out + place, value, mask=live)
        before += tl.sum(thickness, 1)


@triton.jit
def _backward(density, weights, grad, ends, out, rays, step, RAYS: tl.constexpr, STEPS: tl.constexpr):
    """d loss / d density_i = step (T_(i+1) g_i - sum_(j>i) w_j g_j), T_(i+1) = exp(-thickness up to and with i)."""
    ray = tl.program_id(0) * RAYS + tl.arange(0, RAYS)
    mask = ray < rays
    first = tl.load(ends + ray - 1, mask=mask & (ray > 0), other=0)
    length = tl.where(mask, tl.load(ends + ray, mask=mask, other=0) - first, 0)
    most = tl.max(length, 0)
    behind = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, most, STEPS):
        slot = k + tl.arange(0, STEPS)
        live = slot[None, :] < length[:, None]
        place = first[:, None] + slot[None, :]
        w, g = tl.load(weights + place, mask=live, other=0.0), tl.load(grad + place, mask=live, other=0.0)
        behind += tl.sum(w * g, 1)
    before = tl.zeros([RAYS], dtype=tl.float32)
    for k in range(0, most, STEPS):
        slot = k + tl.arange(0, STEPS)
        live = slot[None, :] < length[:, None]
        place = first[:, None] + slot[None, :]
        w, g = tl.load(weights + place, mask=live, other=0.0), tl.load(grad + place, mask=live, other=0.0)
        thickness = tl.load(density + place, mask=live, other=0.0) * step
        after = tl.exp(-(before[:, None] + tl.cumsum(thickness, 1)))
        later = behind[:, None] - tl.cumsum(w * g, 1)
        tl.store(out + place, step * (after * g - later), mask=live)
        before += tl.sum(thickness, 1)
        behind -= tl.sum(w * g, 1)


class _Weights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, density: Tensor, ends: Tensor, step: float) -> Tensor:
        weights = _along_rays(density, ends, step, weights=True)
        ctx.save_for_backward(density, weights, ends)
        ctx.step = step
        return weights

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        density, weights, ends = ctx.saved_tensors
        out = torch.empty_like(density)
        rays = ends.shape[0]
        _backward[(triton.cdiv(rays, RAYS),)](
            density, weights, grad.contiguous(), ends, out, rays, ctx.step, RAYS=RAYS, STEPS=STEPS
        )
        return out, None, None


def _along_rays(density: Tensor, ends: Tensor, step: float, weights: bool) -> Tensor:
    out, rays = torch.empty_like(density), ends.shape[0]
    _forward[(triton.cdiv(rays, RAYS),)](density, ends, out, rays, step, WEIGHTS=weights, RAYS=RAYS, STEPS=STEPS)
    return out


def render_weights(density: Tensor, ray: Tensor, rays: int, step: float) -> Tensor:  # (N,)
    """torch_composite.render_weights; once differentiable."""
    return _Weights.apply(density.contiguous(), ray_ends(ray, rays), step) if density.numel() else density


def transmittance(density: Tensor, ray: Tensor, rays: int, step: float) -> Tensor:  # (N,)
    """torch_composite.transmittance, without a gradient."""
    return _along_rays(density.contiguous(), ray_ends(ray, rays), step, weights=False) if density.numel() else density
