"""Cameras that are counted from the side that the reference image shows."""

from __future__ import annotations

from dataclasses import replace

from .paths import CameraPath, FixedTime, StaticCamera
from .stereo import Stereo


def from_front(path: CameraPath, front: float) -> CameraPath:  # front: Field.front, degrees
    """Turn a still camera or an orbit by the azimuth of the reference image; a list of cameras stays in the world."""
    if isinstance(path, FixedTime | Stereo):
        return replace(path, path=from_front(path.path, front))
    return replace(path, azimuth=path.azimuth + front) if isinstance(path, StaticCamera) else path
