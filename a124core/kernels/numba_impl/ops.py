"""The costly operations on a CPU, compiled by Numba. Imported at first use only; torch computes the others."""

from __future__ import annotations

from .gaussians import draw_gaussians
from .grid import encode_grid
from .march import march
from .points import splat_points
from .temporal_tv import temporal_smoothing
from .triangles import nearest_faces

__all__ = ["draw_gaussians", "encode_grid", "march", "nearest_faces", "splat_points", "temporal_smoothing"]

NAME = "numba"  # as A124_KERNELS names it
