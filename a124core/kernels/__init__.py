"""One function per operation; callers never name a backend. torch_impl is the specification.

A124_KERNELS = auto, torch, triton or numba chooses (dispatch.py); torch computes what a backend does not cover.
torch_impl/ops.py lists the operations."""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from .dispatch import ops_for
from .grid_index import Level
from .tcnn import TcnnGrid, encode_frames, native_encoding
from .torch_impl import ops as torch_ops
from .torch_impl.adam import AdamRule
from .torch_impl.grid import is_few
from .torch_impl.planes import PlaneLevel

TABLE_DTYPES = (torch.float32, torch.float16)  # of tables in fused kernels
MAX_WIDTH, OUTPUTS = 64, 4  # features and hidden units that a fused kernel has registers for; density and colour


def encode_grid(
    table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], loop: bool = False, slopes: bool = False
) -> Tensor:
    """As torch_impl.grid.encode_grid: (T, rows, 2), (N, 3), (N,) -> (N, 2 L), or with slopes (3, N, 2 L)."""
    return _grid_ops(table, xyz, time).encode_grid(table, xyz, time, levels, loop, slopes)


def encode_tcnn(
    table: Tensor, xyz: Tensor, time: Tensor, levels: tuple[Level, ...], grid: TcnnGrid, loop: bool = False,
    slopes: bool = False,
) -> Tensor:
    """As encode_grid, of levels that `grid` gives tiny-cuda-nn: features by that package where it is installed and the
    times are few; slopes, and all else, by the pack's own kernels."""
    plain = len(time) and _all_float32(table, xyz, time) and not _any_gradient(xyz, time)
    encoding = native_encoding(grid, levels, table.device) if plain and not slopes else None
    n_rows = sum(level.rows for level in levels)
    if encoding is not None and is_few(len(torch.unique_consecutive(time)), len(time), n_rows, len(levels)):
        return encode_frames(encoding, table[:, :n_rows], xyz, time, loop)
    return encode_grid(table, xyz, time, levels, loop, slopes)


def encode_planes(
    planes: Tensor, lines: Tensor, xyz: Tensor, time: Tensor, levels: tuple[PlaneLevel, ...], loop: bool = False,
    slopes: bool = False,
) -> Tensor:
    """As torch_impl.planes.encode_planes: (P, 2), (T, L, 2), (N, 3), (N,) -> (N, 6 levels) or (3, N, 6 levels)."""
    return ops_for(planes.device).encode_planes(planes, lines, xyz, time, levels, loop, slopes)


def mlp(features: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """As torch_impl.mlp.mlp: (N, F) -> (N, O)."""
    inputs = features, w1, b1, w2, b2
    fused = _all_float32(*inputs) and max(w1.shape) <= MAX_WIDTH and len(w2) == OUTPUTS
    return (ops_for(features.device) if fused else torch_ops).mlp(*inputs)


def march(
    origins: Tensor, directions: Tensor, ray_slice: Tensor, binary: Tensor, aabb: Tensor, step: float, jitter: Tensor,
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """As torch_impl.march.march: rays and occupied cells -> ray indices (N,), start (N,)."""
    floats = (origins, directions, aabb, jitter)
    ops = ops_for(origins.device) if _all_float32(*floats) and not _any_gradient(*floats) else torch_ops
    return ops.march(origins, directions, ray_slice, binary, aabb, step, jitter, near)


def render_weights(density: Tensor, ray_indices: Tensor, n_rays: int, step: float) -> Tensor:
    """As torch_impl.composite.render_weights: density (N,), ray indices (N,) -> (N,)."""
    ops = ops_for(density.device) if _all_float32(density) else torch_ops
    return ops.render_weights(density, ray_indices, n_rays, step)


def transmittance(density: Tensor, ray_indices: Tensor, n_rays: int, step: float) -> Tensor:
    """As torch_impl.composite.transmittance: density (N,), ray indices (N,) -> (N,)."""
    ops = torch_ops if density.requires_grad or not _all_float32(density) else ops_for(density.device)
    return ops.transmittance(density, ray_indices, n_rays, step)


def accumulate(weights: Tensor, values: Tensor, ray_indices: Tensor, n_rays: int) -> Tensor:
    """As torch_impl.composite.accumulate: weights (N,), values (N, C), ray indices (N,) -> (n_rays, C)."""
    ops = ops_for(values.device) if _all_float32(weights, values) else torch_ops
    return ops.accumulate(weights, values, ray_indices, n_rays)


def temporal_tv(values: Tensor, closed: bool) -> Tensor:
    """As torch_impl.temporal_tv.temporal_tv: values (T, M) -> scalar."""
    ops = ops_for(values.device) if _all_float32(values) and values.numel() else torch_ops
    return ops.temporal_tv(values, closed)


def temporal_smoothing(values: Tensor, share: float, closed: bool) -> None:
    """As torch_impl.temporal_tv.temporal_smoothing: updates values (T, M)."""
    fused = _all_float32(values) and values.is_contiguous() and values.numel()
    (ops_for(values.device) if fused else torch_ops).temporal_smoothing(values, share, closed)


def adam_temporal_tv(
    values: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, count: Tensor, rule: AdamRule, tv: float,
    closed: bool,
) -> None:
    """As torch_impl.adam.adam_temporal_tv: updates values, mean, square (T, M), count; overwrites gradient (T, M)."""
    tensors = values, gradient, mean, square
    fused = _all_float32(*tensors) and all(t.is_contiguous() for t in tensors) and values.numel()
    (ops_for(values.device) if fused else torch_ops).adam_temporal_tv(*tensors, count, rule, tv, closed)


def splat_points(
    points: Tensor, normals: Tensor, colours: Tensor, c2w: Tensor, radius: Tensor, focal: Tensor, size: int
) -> Tensor:
    """As torch_impl.points.splat_points: points and normals (B, 3, N), colours (N, C) -> (B, C + 1, size, size)."""
    inputs = (points, normals, colours, c2w, radius, focal)
    fused = _all_float32(*inputs) and points.shape[2] and not _any_gradient(*inputs)
    return (ops_for(points.device) if fused else torch_ops).splat_points(*inputs, size)


def nearest_faces(vertices: Tensor, faces: Tensor, c2w: Tensor, lens: Tensor, size: tuple[int, int]) -> Tensor:
    """As torch_impl.triangles.nearest_faces: vertices (V, 3), faces (F, 3), cameras (B, ...) -> (B, H, W)."""
    return ops_for(vertices.device).nearest_faces(vertices, faces, c2w, lens, size)


def draw_gaussians(
    means: Tensor, covariances: Tensor, rgba: Tensor, c2w: Tensor, lens: Tensor, size: tuple[int, int]
) -> Tensor:
    """As torch_impl.gaussians.draw_gaussians: means (N, 3), cameras (B, ...) -> (B, 5, H, W)."""
    inputs = means, covariances, rgba, c2w, lens
    fused = _all_float32(*inputs) and not _any_gradient(*inputs)
    return (ops_for(means.device) if fused else torch_ops).draw_gaussians(*inputs, size)


def _grid_ops(table: Tensor, xyz: Tensor, time: Tensor) -> ModuleType:
    """Fused kernels give no gradient at points or times: training needs none, and torch serves those who do."""
    fused = table.dtype in TABLE_DTYPES and table.shape[-1] == 2 and _all_float32(xyz, time)
    return ops_for(table.device) if fused and not (xyz.requires_grad or time.requires_grad) else torch_ops


def _all_float32(*tensors: Tensor) -> bool:
    return all(t.dtype == torch.float32 for t in tensors)


def _any_gradient(*tensors: Tensor) -> bool:
    return any(t.requires_grad for t in tensors)
