"""Normals of a rendered model, from its depth: the same for meshes and for Gaussians, which have none."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..cameras.rig import pixel_rays
from ..protocols import Cameras, Pinholes


def depth_normals(layers: Tensor, cameras: Cameras | Pinholes) -> Tensor:  # (B, 3, H, W)
    """Return premultiplied world normals of layers (B, 5, H, W): colour, alpha, depth."""
    size = layers.shape[-2:]
    alpha = layers[:, 3:4]
    depth = torch.where(alpha > 1e-3, layers[:, 4:] / alpha.clamp_min(1e-3), 1e4)
    origins, directions = (rays.transpose(1, 2).unflatten(2, size).to(layers) for rays in pixel_rays(cameras, size))
    points = origins + directions * depth
    normals = normalize(torch.linalg.cross(_smaller_step(points, 3), _smaller_step(points, 2), dim=1), dim=1)
    facing = (normals * directions).sum(1, keepdim=True) < 0
    return torch.where(facing, normals, -normals) * alpha


def _smaller_step(points: Tensor, dim: int) -> Tensor:
    """Return the step to the next or from the last pixel, whichever is shorter: outlines do not reach across."""
    steps = points.diff(dim=dim)
    edge = torch.full_like(points.narrow(dim, 0, 1), 1e6)
    after, before = torch.cat((steps, edge), dim), torch.cat((edge, steps), dim)
    shorter = after.square().sum(1, keepdim=True) <= before.square().sum(1, keepdim=True)
    return torch.where(shorter, after, before)
