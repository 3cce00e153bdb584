"""One function per operation; callers never name a backend. torch_ops is the specification.

A124_KERNELS = auto, torch, triton or numba chooses (backend.py); whatever a backend does not cover is torch's.
torch_ops.__all__ lists the operations."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from .dispatch import ops_for
from .grid_index import Level
from .torch_impl import ops as torch_ops
from .torch_impl.adam import AdamRule

TABLES = (torch.float32, torch.float16)  # precisions of a table that fused kernels know
WIDEST, OUTPUTS = 64, 4  # features and hidden units that a fused kernel has registers for; density and colour


def encode_grid(table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool = False) -> Tensor:
    """torch_ops.encode_grid: (T, rows, 2), (N, 3), (N,) -> (N, 2 L)."""
    return _grid_ops(table, xyz, time).encode_grid(table, xyz, time, levels, loop)


def encode_grid_gradient(
    table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool = False
) -> Tensor:
    """torch_ops.encode_grid_gradient: (T, rows, 2), (N, 3), (N,) -> (3, N, 2 L)."""
    return _grid_ops(table, xyz, time).encode_grid_gradient(table, xyz, time, levels, loop)


def mlp(features: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """torch_ops.mlp: (N, F) -> (N, O)."""
    given = features, w1, b1, w2, b2
    fused = _all_float32(*given) and max(w1.shape) <= WIDEST and len(w2) == OUTPUTS
    return (ops_for(features.device) if fused else torch_ops).mlp(*given)


def march(
    origins: Tensor, directions: Tensor, ray_slice: Tensor, occupied: Tensor, box: Tensor, step: float, jitter: Tensor,
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """torch_ops.march: rays and occupied cells -> ray (N,), start (N,)."""
    given = (origins, directions, box, jitter)
    ops = ops_for(origins.device) if _all_float32(*given) and not _any_gradient(*given) else torch_ops
    return ops.march(origins, directions, ray_slice, occupied, box, step, jitter, near)


def render_weights(density: Tensor, ray: Tensor, rays: int, step: float) -> Tensor:
    """torch_ops.render_weights: density (N,), ray (N,) -> (N,)."""
    ops = ops_for(density.device) if _all_float32(density) else torch_ops
    return ops.render_weights(density, ray, rays, step)


def transmittance(density: Tensor, ray: Tensor, rays: int, step: float) -> Tensor:
    """torch_ops.transmittance: density (N,), ray (N,) -> (N,)."""
    plain = density.requires_grad or not _all_float32(density)
    return (torch_ops if plain else ops_for(density.device)).transmittance(density, ray, rays, step)


def accumulate(weights: Tensor, values: Tensor, ray: Tensor, rays: int) -> Tensor:
    """torch_ops.accumulate: weights (N,), values (N, C), ray (N,) -> (rays, C)."""
    ops = ops_for(values.device) if _all_float32(weights, values) else torch_ops
    return ops.accumulate(weights, values, ray, rays)


def temporal_tv(values: Tensor, closed: bool) -> Tensor:
    """torch_ops.temporal_tv: values (T, M) -> scalar."""
    ops = ops_for(values.device) if _all_float32(values) and values.numel() else torch_ops
    return ops.temporal_tv(values, closed)


def adam_time_tv(
    values: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, count: Tensor, rule: AdamRule, tv: float,
    closed: bool,
) -> None:  # fmt: skip
    """torch_ops.adam_time_tv: moves values, mean, square (T, M) and count; uses up the gradient (T, M)."""
    parts = values, gradient, mean, square
    fused = _all_float32(*parts) and all(p.is_contiguous() for p in parts) and values.numel()
    (ops_for(values.device) if fused else torch_ops).adam_time_tv(*parts, count, rule, tv, closed)


def splat_points(
    points: Tensor, normals: Tensor, colours: Tensor, c2w: Tensor, radius: Tensor, focal: Tensor, size: int
) -> Tensor:
    """torch_ops.splat_points: points and normals (B, 3, N), colours (N, C) -> (B, C + 1, size, size)."""
    given = (points, normals, colours, c2w, radius, focal)
    plain = not (_all_float32(*given) and points.shape[2]) or _any_gradient(*given)
    return (torch_ops if plain else ops_for(points.device)).splat_points(*given, size)


def _grid_ops(table: Tensor, xyz: Tensor, time: Tensor) -> ModuleType:
    """Fused kernels give no gradient at points or times: training asks for none, who does ask gets torch."""
    fused = table.dtype in TABLES and table.shape[-1] == 2 and _all_float32(xyz, time)
    return ops_for(table.device) if fused and not (xyz.requires_grad or time.requires_grad) else torch_ops


def _all_float32(*tensors: Tensor) -> bool:
    return all(t.dtype == torch.float32 for t in tensors)


def _any_gradient(*tensors: Tensor) -> bool:
    return any(t.requires_grad for t in tensors)
