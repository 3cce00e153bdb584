"""Surfels -> antialiased pictures, by the rig of cameras.pixel_rays."""

from __future__ import annotations

from math import pi, tan

import torch
from torch import Tensor

from ...cameras.rig import camera_to_world
from ...kernels import splat_points
from ...kernels.torch_impl.points import SUPERSAMPLE
from ...protocols import Cameras

STEP = 1.0  # wanted spacing of the points in supersampled pixels at the origin; a 3x3 window bridges 2.1


def spacing_for(size: int, radius: float, fovy: float) -> float:
    """Distance between surfels (world units) that leaves no hole in a picture of this size."""
    return STEP * 2 * radius * tan(fovy * pi / 360) / (size * SUPERSAMPLE)


def splat(
    points: Tensor,  # (B, 3, N)
    normals: Tensor,  # (B, 3, N)
    colours: Tensor,  # (N, C) or (B, N, C)
    cameras: Cameras,  # B
    size: int,
) -> tuple[Tensor, Tensor]:  # premultiplied (B, C, size, size), alpha (B, 1, size, size)
    """Draw the points that face the camera, nearest first."""
    c2w, radius, fovy = (v.to(points) for v in (camera_to_world(cameras), cameras.radius, cameras.fovy))
    focal = size * SUPERSAMPLE / (2 * torch.tan(fovy * (pi / 360)))
    out = splat_points(points, normals, colours, c2w, radius, focal, size)
    return out[:, :-1], out[:, -1:]
