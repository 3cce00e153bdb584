"""Stereo cameras: images for a headset or a 3D screen, left and right side by side."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from .paths import CameraPath
from .rig import focal_length, to_pinholes

DEFAULT_EYE_DISTANCE = 0.06  # world units: a thirtieth of the distance 1.8, the stereographers' rule for a near subject
MAX_EYE_DISTANCE = 1.0  # world units


@dataclass(frozen=True)
class Stereo:
    """Any path with two eyes: parallel cameras with sheared frusta that meet at the middle of the scene.

    Players display both images on one flat screen. So both must keep the same image plane (cameras that are turned
    towards each other give vertical disparity, which hurts), and what lies at the origin's depth must lie in the
    screen: nearer parts come out of it, farther ones lie behind."""

    path: CameraPath
    eye_distance: float = DEFAULT_EYE_DISTANCE  # world units, from eye to eye

    def __post_init__(self) -> None:
        if not 0.0 < self.eye_distance <= MAX_EYE_DISTANCE:
            limit = f"it must be above 0 and at most {MAX_EYE_DISTANCE:g}"
            raise ValueError(f"the eyes' distance is {self.eye_distance}: {limit}.")

    @property
    def fixed_times(self) -> bool:
        return self.path.fixed_times

    def __call__(self, frames: int) -> tuple[Pinholes, Tensor]:
        cameras, times = self.path(frames)
        return two_eyes(cameras, self.eye_distance), times


def two_eyes(cameras: Cameras | Pinholes, eye_distance: float) -> Pinholes:
    """Split each camera into two, half the distance to its left and to its right, with parallel axes.

    A point at depth z then lies focal * eye_distance * (1 / z - 1 / screen) pixels farther right in the left image,
    where screen is the depth of the origin."""
    one = to_pinholes(cameras)
    right, back, centre = (one.c2w[:, :, :3, k] for k in (0, 2, 3))  # (F, 1, 3)
    screen = (centre * back).sum(-1)  # (F, 1)
    if (screen <= 0.1).any():
        raise ValueError("a camera has the scene's middle beside or behind it: for two eyes, turn it to the scene.")
    side = torch.tensor([-0.5, 0.5], device=right.device) * eye_distance  # (2,)
    c2w = one.c2w.repeat(1, 2, 1, 1)
    c2w[:, :, :3, 3] += side[:, None] * right
    centre = one.centre.repeat(1, 2, 1)
    centre[..., 0] += focal_length(one.fovy, 1)[:, None] * side / screen
    return Pinholes(c2w, one.fovy, centre)
