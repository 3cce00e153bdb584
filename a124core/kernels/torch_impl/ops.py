"""The operations in plain torch: the specification, on any device."""

from __future__ import annotations

from .adam import adam_temporal_tv
from .composite import accumulate, render_weights, transmittance
from .gaussians import draw_gaussians
from .grid import encode_grid
from .march import march
from .mlp import mlp
from .planes import encode_planes
from .points import splat_points
from .temporal_tv import temporal_smoothing, temporal_tv
from .triangles import nearest_faces

NAME = "torch"  # as A124_KERNELS names it

__all__ = [
    "accumulate",
    "adam_temporal_tv",
    "draw_gaussians",
    "encode_grid",
    "encode_planes",
    "march",
    "mlp",
    "nearest_faces",
    "render_weights",
    "splat_points",
    "temporal_smoothing",
    "temporal_tv",
    "transmittance",
]
