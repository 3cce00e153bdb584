"""From the MLP's first output to density, and from density to normals: activation, blob, and their derivatives."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..protocols import Field
from .config import FieldConfig

SOFTPLUS_SCALE = 10.0  # density = 10 softplus(raw + blob): opaque within a few steps even where steps are long
DIFFERENCE = 0.01  # world units, of the central difference that normals are made of (release)
EXP_GRADIENT_LIMIT = 15.0  # the backward pass of exp uses exp(min(., 15)) (release)


class _ClippedExp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.exp()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * x.clamp(max=EXP_GRADIENT_LIMIT).exp()


def density_of(raw: Tensor, xyz: Tensor, config: FieldConfig) -> Tensor:  # (N,), (N, 3) -> (N,)
    """Return the density of the raw output plus a blob, which starts the object in the middle and has no gradient."""
    total = raw + density_blob(xyz.detach(), config)
    if config.density == "exp":
        return _ClippedExp.apply(total)
    return SOFTPLUS_SCALE * F.softplus(total)


def density_slope(raw: Tensor, xyz: Tensor, config: FieldConfig) -> Tensor:  # (N,)
    """Return d density / d (raw + blob)."""
    total = raw + density_blob(xyz, config)
    if config.density == "exp":
        return total.clamp(max=EXP_GRADIENT_LIMIT).exp()
    return SOFTPLUS_SCALE * torch.sigmoid(total)


def density_blob(xyz: Tensor, config: FieldConfig) -> Tensor:  # (N,)
    """Return the blob; exp: blob_density exp(-|x|^2 / 2 r^2); softplus: blob_density (1 - |x| / r) (release)."""
    if config.density == "exp":
        return config.blob_density * torch.exp(-xyz.square().sum(1) / (2.0 * config.blob_radius**2))
    return config.blob_density * (1.0 - xyz.norm(dim=1) / config.blob_radius)


def blob_gradient(xyz: Tensor, config: FieldConfig) -> Tensor:  # (N, 3)
    """Return d blob / d xyz; 0 at the centre, where the softplus blob has a corner."""
    if config.density == "exp":
        return density_blob(xyz, config)[:, None] * (-xyz / config.blob_radius**2)
    length = xyz.norm(dim=1, keepdim=True)
    return -config.blob_density / config.blob_radius * xyz / length.clamp_min(1e-9)


def central_difference(field: Field, xyz: Tensor, time: Tensor, distance: float = DIFFERENCE) -> Tensor:  # (N, 3)
    """Return the density's slope from six more queries at +- distance, clamped to the cube: a low-pass (release)."""
    columns = []
    for axis in range(3):
        shift = xyz.new_zeros(3)
        shift[axis] = distance
        ahead, behind = (field((xyz + side * shift).clamp(-1.0, 1.0), time)[0] for side in (1.0, -1.0))
        columns.append((ahead - behind) / (2.0 * distance))
    return torch.stack(columns, dim=1)


def normals_from(gradient: Tensor) -> Tensor:  # (N, 3) -> (N, 3)
    """Return n = -grad density / |grad density|; 0 where the density is flat."""
    length = gradient.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-8, -gradient / length.clamp_min(1e-8), torch.zeros_like(gradient))
