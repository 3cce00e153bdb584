"""Paths through camera keyframes, each given as a matrix, two points, or the host's LOAD3D_CAMERA."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..protocols import Pinholes
from .paths import CameraPath, Spline, frame_times, interpolate_keys
from .rig import FOVY, RADIUS

ROTATION_TOLERANCE = 0.03  # largest entry of R R^T - I: files round to a few digits


@dataclass(frozen=True)
class KeyframePath:
    """A path through K keys: positions on a smooth curve, rotations by the nearest one to a blend, the rest linear."""

    keys: Pinholes  # K, one eye each
    when: tuple[float, ...]  # K, ascending, in [0, 1]: share of the film
    time: tuple[float, ...] | None = None  # K scene times in [0, 1]; None: the scene plays

    def __post_init__(self) -> None:
        if len(self.when) != len(self.keys) or any(a >= b for a, b in zip(self.when, self.when[1:], strict=False)):
            raise ValueError(f"the {len(self.keys)} keys need different values of 'when', in order: write them anew.")
        if not all(0.0 <= t <= 1.0 for t in (*self.when, *(self.time or ()))):
            raise ValueError("a key's 'when' or 'time' lies outside 0 .. 1: divide by the length of the clip.")

    @property
    def fixed_times(self) -> bool:
        return self.time is not None

    def __call__(self, frames: int) -> tuple[Pinholes, Tensor]:
        film, when = frame_times(frames), torch.tensor(self.when)
        columns = self.keys.c2w[:, 0, :3, 3].T.tolist()
        position = torch.stack([interpolate_keys(self.when, column, film) for column in columns], dim=-1)
        after = torch.searchsorted(when, film, right=True).clamp(1, max(len(when) - 1, 1))
        before, after = after - 1, after.clamp(max=len(when) - 1)
        gap = when[after] - when[before]
        share = ((film - when[before]) / gap.clamp(min=1e-9)).clamp(0.0, 1.0)
        c2w = torch.eye(4).repeat(frames, 1, 1)
        c2w[:, :3, :3] = _nearest_rotation(_interpolate(self.keys.c2w[:, 0, :3, :3], before, after, share))
        c2w[:, :3, 3] = position
        fovy, centre = (_interpolate(v, before, after, share) for v in (self.keys.fovy, self.keys.centre))
        times = film if self.time is None else _interpolate(torch.tensor(self.time), before, after, share)
        return Pinholes(c2w[:, None], fovy, centre), times


def _interpolate(values: Tensor, before: Tensor, after: Tensor, share: Tensor) -> Tensor:  # (K, ...) -> (F, ...)
    return torch.lerp(values[before], values[after], share.reshape(-1, *[1] * (values.ndim - 1)))


def _nearest_rotation(matrix: Tensor) -> Tensor:  # (F, 3, 3)
    """Return U diag(1, 1, det) V^T of the singular value decomposition."""
    u, _, v = torch.linalg.svd(matrix)
    sign = torch.ones(len(matrix), 3)
    sign[:, 2] = torch.linalg.det(u @ v)
    return u * sign[:, None] @ v


def even_times(count: int) -> tuple[float, ...]:
    """Space keys without "when" evenly, like the frames of a film of that length."""
    return tuple(frame_times(count).tolist())


def pinholes_from_matrices(c2w: Sequence[Tensor], fovy: Sequence[float]) -> Pinholes:
    """Return one-eyed cameras of K camera-to-world matrices (4, 4) without scale, and fields of view in degrees."""
    for k, matrix in enumerate(c2w):
        rotation = matrix[:3, :3]
        error = float((rotation @ rotation.T - torch.eye(3)).abs().max())
        if not error < ROTATION_TOLERANCE or float(torch.linalg.det(rotation)) < 0 or not bool(matrix.isfinite().all()):
            raise ValueError(f"the matrix of camera {k} is no rotation with a position: export it without scale.")
    if not all(0.0 < f < 180.0 for f in fovy):
        raise ValueError("a camera's field of view does not lie between 0 and 180 degrees: write it in degrees.")
    matrices = torch.stack(list(c2w))
    matrices[:, :3, :3] = _nearest_rotation(matrices[:, :3, :3])
    return Pinholes(matrices[:, None], torch.tensor(list(fovy)), torch.zeros(len(matrices), 1, 2))


def read_key_list(text: str) -> CameraPath:
    """Read JSON: {"keys": [...]} or the list alone; keys (see parse_camera) may have "when", and all or none "time".

    Where every key has an azimuth, the angles are interpolated: {"when", "azimuth", "elevation", "radius"}."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the camera keys are not JSON (line {error.lineno}): write a list of keys.") from None
    keys = content.get("keys") if isinstance(content, dict) else content
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError('the camera file has no keys: write {"keys": [{"when": 0, "azimuth": 0}, ...]}.')
    when = [_parse_number(key, "when", even) for key, even in zip(keys, even_times(len(keys)), strict=True)]
    if all("azimuth" in key for key in keys) and len(keys) > 1:
        defaults = {"azimuth": 0.0, "elevation": 0.0, "radius": RADIUS}
        rows = [[_parse_number(key, *default) for default in defaults.items()] for key in keys]
        spline = tuple(sorted((w, *row) for w, row in zip(when, rows, strict=True)))
        return Spline(spline, _parse_number(keys[0], "fov", FOVY))
    cameras = [parse_camera(key) for key in keys]
    timed = sum("time" in key for key in keys)
    if timed not in (0, len(keys)):
        raise ValueError(f"{timed} of {len(keys)} camera keys have a time: give it to all of them or to none.")
    time = tuple(_parse_number(key, "time", 0.0) for key in keys) if timed else None
    return KeyframePath(pinholes_from_matrices([c for c, _ in cameras], [f for _, f in cameras]), tuple(when), time)


def parse_camera(key: Mapping[str, Any]) -> tuple[Tensor, float]:  # c2w (4, 4), fovy in degrees
    """Parse a camera: "transform_matrix", or "position" with "quaternion" (x, y, z, w) or "target"; "fov" is vertical.

    LOAD3D_CAMERA is such a key: right-handed, y up, looks along -z, like ours. Points are lists or {x, y, z}. "zoom"
    divides the image plane, as three.js defines it."""
    if key.get("cameraType", "perspective") != "perspective":
        raise ValueError(f"the camera is {key['cameraType']}: switch it to perspective, which has a field of view.")
    fovy = _apply_zoom(_parse_number(key, "fov", FOVY), _parse_number(key, "zoom", 1.0))
    if "transform_matrix" in key:
        return parse_matrix(key["transform_matrix"]), fovy
    if "azimuth" in key:
        raise ValueError("some camera keys give an azimuth and others a position: write all of them in one form.")
    position = _parse_point(key, "position", None)
    c2w = torch.eye(4)
    c2w[:3, 3] = torch.tensor(position)
    if key.get("quaternion") is None:
        c2w[:3, :3] = _look_at(position, _parse_point(key, "target", (0.0, 0.0, 0.0)))
    else:
        c2w[:3, :3] = _quaternion_rotation(_parse_point(key, "quaternion", None, "xyzw"))
    return c2w, fovy


def _apply_zoom(fovy: float, zoom: float) -> float:
    """Return degrees, as three.js' PerspectiveCamera.getEffectiveFOV: 2 atan(tan(fov / 2) / zoom)."""
    if not zoom > 0.0:
        raise ValueError(f"a camera's zoom is {zoom:g}: write a number above 0.")
    return math.degrees(2.0 * math.atan(math.tan(math.radians(fovy) / 2.0) / zoom)) if zoom != 1.0 else fovy


def parse_matrix(rows: Any) -> Tensor:  # (4, 4)
    """Parse a camera-to-world matrix from JSON: rows, or 16 numbers in a row."""
    try:
        return torch.tensor(rows, dtype=torch.float32).reshape(4, 4)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError("a camera has no 4 x 4 transform_matrix: write it again.") from None


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


def _parse_point(
    key: Mapping[str, Any], name: str, default: Sequence[float] | None, axes: str = "xyz"
) -> tuple[float, ...]:  # one number for each axis
    value = key.get(name, default)
    if isinstance(value, Mapping):
        value = [value.get(axis) for axis in axes]
    try:
        numbers = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != len(axes) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a camera's {name} is {value}: write {len(axes)} numbers, {', '.join(axes)}.")
    return numbers


def _parse_number(key: Mapping[str, Any], name: str, default: float) -> float:
    value = key.get(name, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"a camera's {name} is {value!r}: write a number.")
    return float(value)
