"""Cameras as JSON of others has them: numbers, points, matrices and whole cameras, each checked or refused."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..utils.text import first_line, quote_value
from .paths import LARGEST
from .rig import FOVY

LAST_ROW = (0.0, 0.0, 0.0, 1.0)  # of a matrix that moves and turns
ROW_TOLERANCE = 1e-3


def parse_camera(key: Mapping[str, Any]) -> tuple[Tensor, float]:  # c2w (4, 4), fovy in degrees
    """Parse a camera: "transform_matrix", or "position" with "quaternion" (x, y, z, w) or "target"; "fov" is vertical.

    LOAD3D_CAMERA is such a key: right-handed, y up, looks along -z, like ours. Points are lists or {x, y, z}. "zoom"
    divides the image plane, as three.js defines it."""
    check_camera(key)
    kind = key.get("cameraType", "perspective")
    if kind != "perspective":
        raise ValueError(f"the camera is {first_line(kind)}: switch it to perspective, which has a field of view.")
    fovy = _apply_zoom(parse_number(key, "fov", FOVY), parse_number(key, "zoom", 1.0))
    if "transform_matrix" in key:
        return parse_matrix(key["transform_matrix"]), fovy
    if "azimuth" in key:
        raise ValueError("some camera keys give an azimuth and others a position: write all of them in one form.")
    position = parse_point(key, "position", None)
    c2w = torch.eye(4)
    c2w[:3, 3] = torch.tensor(position)
    if key.get("quaternion") is None:
        c2w[:3, :3] = _look_at(position, parse_point(key, "target", (0.0, 0.0, 0.0)))
    else:
        c2w[:3, :3] = _quaternion_rotation(parse_point(key, "quaternion", None, "xyzw"))
    return c2w, fovy


def camera_list(cameras: Any) -> list[Any]:
    """Return the cameras of a LOAD3D_CAMERA, which is one camera or a list of them; ValueError for an empty list."""
    listed = list(cameras) if isinstance(cameras, (list, tuple)) else [cameras]
    if not listed:
        raise ValueError("the list of cameras is empty: connect one camera or more.")
    return listed


def check_camera(key: Any) -> None:
    """Refuse what is no object of a camera's entries."""
    if not isinstance(key, Mapping):
        raise ValueError(f"a camera is {quote_value(key)}: give its position and target, or its transform_matrix.")


def _apply_zoom(fovy: float, zoom: float) -> float:
    """Return degrees, as three.js' PerspectiveCamera.getEffectiveFOV: 2 atan(tan(fov / 2) / zoom)."""
    if not zoom > 0.0:
        raise ValueError(f"a camera's zoom is {zoom:g}: write a number above 0.")
    return math.degrees(2.0 * math.atan(math.tan(math.radians(fovy) / 2.0) / zoom)) if zoom != 1.0 else fovy


def parse_matrix(rows: Any) -> Tensor:  # (4, 4)
    """Parse a camera-to-world matrix from JSON: rows, or 16 numbers in a row."""
    flat = rows
    if isinstance(rows, (list, tuple)) and len(rows) == 4 and all(isinstance(row, (list, tuple)) for row in rows):
        flat = [value for row in rows for value in row] if all(len(row) == 4 for row in rows) else None
    if not isinstance(flat, (list, tuple)) or len(flat) != 16 or not all(map(is_number, flat)):
        raise ValueError("a camera has no 4 x 4 transform_matrix: write it again.")
    if any(abs(value - expected) > ROW_TOLERANCE for value, expected in zip(flat[12:], LAST_ROW, strict=True)):
        raise ValueError("the last row of a transform_matrix is not 0, 0, 0, 1: write positions in the last column.")
    return torch.tensor(flat, dtype=torch.float32).reshape(4, 4)


def _look_at(position: Sequence[float], target: Sequence[float]) -> Tensor:  # (3, 3)
    """Return right, up and back of an upright camera; straight above or below the target, up is -z or +z."""
    back = torch.tensor(position) - torch.tensor(target)
    if float(back.norm()) < 1e-6:
        raise ValueError("a camera is at its own target: move it away.")
    back = back / back.norm()
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), back)
    right = right / right.norm() if float(right.norm()) > 1e-6 else torch.tensor([1.0, 0.0, 0.0])
    return torch.stack([right, torch.linalg.cross(back, right), back], dim=-1)


def _quaternion_rotation(quaternion: tuple[float, ...]) -> Tensor:  # x, y, z, w -> (3, 3)
    x, y, z, w = quaternion
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    if norm < 1e-6:
        raise ValueError("a camera's quaternion is zero: write x, y, z, w of a rotation.")
    x, y, z, w = (v / norm for v in (x, y, z, w))
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def parse_point(
    key: Mapping[str, Any], name: str, default: Sequence[float] | None, axes: str = "xyz"
) -> tuple[float, ...]:  # one number for each axis
    """Parse a list of numbers or an object {x, y, z}."""
    check_camera(key)
    value = key.get(name, default)
    numbers = [value.get(axis) for axis in axes] if isinstance(value, Mapping) else value
    if not isinstance(numbers, (list, tuple)) or len(numbers) != len(axes) or not all(map(is_number, numbers)):
        raise ValueError(f"a camera's {name} is {quote_value(value)}: write {len(axes)} numbers, {', '.join(axes)}.")
    return tuple(float(v) for v in numbers)


def parse_number(key: Mapping[str, Any], name: str, default: float) -> float:
    """Return a number of a camera, or the default where there is none."""
    value = key.get(name, default)
    if not is_number(value):
        raise ValueError(f"a camera's {name} is {quote_value(value)}: write a number.")
    return float(value)


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a finite number that a camera may have."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
