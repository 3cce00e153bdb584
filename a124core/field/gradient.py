"""Density gradients of any field: its own formula if it has one, else autograd; central differences as an option."""

from __future__ import annotations

import torch
from torch import Tensor

from ..protocols import Field

EPSILON = 0.01  # the release's central difference, world units (release)


def density_gradient(field: Field, xyz: Tensor, time: Tensor) -> Tensor:  # (N, 3)
    """d density / d xyz, differentiable with respect to the field's parameters."""
    own = getattr(field, "density_gradient", None)
    if own is not None:
        return own(xyz, time)
    with torch.enable_grad():
        points = xyz.detach().requires_grad_(True)
        density = field(points, time)[0]
        if not density.requires_grad:
            return torch.zeros_like(xyz)  # made of steps: flat wherever it has a slope
        return torch.autograd.grad(density.sum(), points, create_graph=True)[0]


def central_difference(field: Field, xyz: Tensor, time: Tensor, epsilon: float = EPSILON) -> Tensor:  # (N, 3)
    """Six more queries at +- epsilon, points clamped to the cube: a low-pass, as released."""
    columns = []
    for axis in range(3):
        shift = torch.zeros(3, device=xyz.device, dtype=xyz.dtype)
        shift[axis] = epsilon
        ahead = field((xyz + shift).clamp(-1.0, 1.0), time)[0]
        behind = field((xyz - shift).clamp(-1.0, 1.0), time)[0]
        columns.append((ahead - behind) / (2.0 * epsilon))
    return torch.stack(columns, dim=1)


def normals_from(gradient: Tensor) -> Tensor:  # (N, 3) -> (N, 3)
    """n = -grad density / |grad density|; 0 where the density is flat."""
    length = gradient.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-8, -gradient / length.clamp_min(1e-8), torch.zeros_like(gradient))
