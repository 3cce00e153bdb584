"""The colour of a surface as a camera in front of it would see it, and between sRGB and linear light."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ...protocols import Field
from .surface import AT_ONCE, home, quiet

DEPTHS = 12  # samples of the short ray through the surface
AHEAD = 0.5  # share of the ray that lies before the surface


@torch.no_grad()
def colours_at(
    field: Field,
    time: float,
    points: np.ndarray,  # (V, 3)
    normals: np.ndarray,  # (V, 3)
    reach: float,  # world units: length of the ray, from before the surface to below it
    heard: Callable[[], None] = quiet,  # called now and then: raising in it cancels
) -> np.ndarray:  # (V, 3) sRGB in [0, 1]
    """The field rendered along each inward normal, over nothing else: what lies right at a density's foot has the
    colour of air, what lies deep has none at all, so neither is asked alone."""
    device = home(field)
    depth = (torch.arange(DEPTHS, device=device) + 0.5) / DEPTHS - AHEAD
    origin, way = (torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device) for a in (points, normals))
    chunk = AT_ONCE // DEPTHS
    seen = []
    for o, w in zip(origin.split(chunk), way.split(chunk), strict=True):
        heard()
        seen.append(_seen(field, time, o, w, depth * reach))
    return torch.cat(seen).cpu().numpy()


def _seen(field: Field, time: float, origin: torch.Tensor, way: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
    xyz = (origin[:, None] - way[:, None] * depth[:, None]).clamp(-1.0, 1.0)
    density, albedo = field(xyz.reshape(-1, 3), xyz.new_full((xyz.shape[0] * len(depth),), time))
    thickness = density.view(len(origin), -1) * (depth[1] - depth[0])
    before = torch.cumsum(thickness, 1) - thickness
    weights = torch.exp(-before) * -torch.expm1(-thickness) + 1e-9  # never a division by nothing
    colour = (weights[..., None] * albedo.view(len(origin), -1, 3)).sum(1) / weights.sum(1, keepdim=True)
    return colour.clamp(0.0, 1.0)


def linear(colours: np.ndarray) -> np.ndarray:
    """sRGB to linear light, both in [0, 1] (IEC 61966-2-1)."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4).astype(np.float32)
