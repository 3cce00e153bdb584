"""Albedo, normals and light to the colour of a sample (release)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..protocols import Shading


def shade(
    albedo: Tensor,  # (N, 3)
    normal: Tensor | None,  # (N, 3), None for mode "albedo"
    light: Tensor | None,  # (N, 3) unit vectors towards the light
    shading: Shading,
) -> Tensor:  # (N, 3)
    """albedo; lambertian: albedo l; textureless: l; normal: (n + 1) / 2, with l = a + (1 - a) max(n . light, 0)."""
    if shading.mode == "albedo" or normal is None:
        return albedo
    if shading.mode == "normal":
        return 0.5 * (normal + 1.0)
    facing = torch.ones_like(albedo[:, :1]) if light is None else (normal * light).sum(1, keepdim=True).clamp_min(0.0)
    lit = shading.ambient + (1.0 - shading.ambient) * facing
    return albedo * lit if shading.mode == "lambertian" else lit.expand_as(albedo)
