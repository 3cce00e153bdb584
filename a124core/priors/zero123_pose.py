"""Zero123's pose conditioning."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..protocols import Cameras

ZERO123, STABLE_ZERO123 = "zero123", "stable-zero123"
KINDS = (ZERO123, STABLE_ZERO123)


def check_reference(has_reference: bool) -> None:
    """Refuse a view guidance that has no reference."""
    if not has_reference:
        raise ValueError("a view guidance compares with your image: give one (wire the reference from node 1 Picture).")


def pose_vector(cameras: Cameras, reference: Cameras, kind: str) -> Tensor:  # (B, 4)
    """Return the difference [d polar, sin d azimuth, cos d azimuth, d radius], angles in radians.

    Polar angles count down from the top, azimuths anticlockwise from above, as ours in our right-handed world.
    Stable-Zero123 was trained with the absolute polar angle of the image in place of the distance.
    """
    polar = torch.deg2rad(reference.elevation - cameras.elevation)
    azimuth = torch.deg2rad(cameras.azimuth - reference.azimuth)
    last = cameras.radius - reference.radius
    if kind == STABLE_ZERO123:
        last = (math.pi / 2 - torch.deg2rad(reference.elevation)).expand_as(last)
    return torch.stack([polar, azimuth.sin(), azimuth.cos(), last], dim=-1)
