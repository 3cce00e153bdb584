"""Cameras that stand anywhere: a walk through keys, each a matrix, two points, or the host's LOAD3D_CAMERA."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..protocols import Pinholes
from .paths import CameraPath, Spline, frame_times, through
from .rig import FOVY, RADIUS

SLACK = 0.03  # by how much a matrix may fail to be a rotation: files round to a few digits


@dataclass(frozen=True)
class KeyframePath:
    """Through K keys: positions on a smooth curve, directions by the nearest rotation to a mix, the rest linear."""

    keys: Pinholes  # K, one eye each
    when: tuple[float, ...]  # K, ascending, in [0, 1]: share of the film
    time: tuple[float, ...] | None = None  # K scene times in [0, 1]; None: the scene plays

    def __post_init__(self) -> None:
        if len(self.when) != len(self.keys) or any(a >= b for a, b in zip(self.when, self.when[1:], strict=False)):
            raise ValueError(f"the {len(self.keys)} keys need as many different moments, in order: write 'when' anew.")
        if not all(0.0 <= t <= 1.0 for t in (*self.when, *(self.time or ()))):
            raise ValueError("a key's 'when' or 'time' lies outside 0 .. 1: divide by the length of the clip.")

    @property
    def fixed_times(self) -> bool:
        return self.time is not None

    def __call__(self, frames: int) -> tuple[Pinholes, Tensor]:
        at, where = list(self.when), frame_times(frames)
        position = torch.stack([through(at, p.tolist(), where) for p in self.keys.c2w[:, 0, :3, 3].T], dim=-1)
        after = torch.searchsorted(torch.tensor(at), where, right=True).clamp(1, max(len(at) - 1, 1))
        before, after = after - 1, after.clamp(max=len(at) - 1)
        gap = torch.tensor(at)[after] - torch.tensor(at)[before]
        share = ((where - torch.tensor(at)[before]) / gap.clamp(min=1e-9)).clamp(0.0, 1.0)
        c2w = torch.eye(4).repeat(frames, 1, 1)
        c2w[:, :3, :3] = _nearest_rotation(_mix(self.keys.c2w[:, 0, :3, :3], before, after, share))
        c2w[:, :3, 3] = position
        fovy, centre = (_mix(v, before, after, share) for v in (self.keys.fovy, self.keys.centre))
        moments = where if self.time is None else _mix(torch.tensor(self.time), before, after, share)
        return Pinholes(c2w[:, None], fovy, centre), moments


def _mix(values: Tensor, before: Tensor, after: Tensor, share: Tensor) -> Tensor:  # (K, ...) -> (F, ...)
    return torch.lerp(values[before], values[after], share.reshape(-1, *[1] * (values.ndim - 1)))


def _nearest_rotation(matrix: Tensor) -> Tensor:  # (F, 3, 3)
    """U diag(1, 1, det) V^T of the singular value decomposition."""
    u, _, v = torch.linalg.svd(matrix)
    sign = torch.ones(len(matrix), 3)
    sign[:, 2] = torch.linalg.det(u @ v)
    return u * sign[:, None] @ v


def evenly(count: int) -> tuple[float, ...]:
    """When keys are met that say nothing about it; the same numbers as the frames of a film of that length."""
    return tuple(frame_times(count).tolist())


def standing(c2w: Sequence[Tensor], fovy: Sequence[float]) -> Pinholes:
    """K matrices (4, 4) with a rotation in each, fields of view in degrees -> cameras of one eye."""
    for k, matrix in enumerate(c2w):
        turn = matrix[:3, :3]
        off = float((turn @ turn.T - torch.eye(3)).abs().max())
        if not off < SLACK or float(torch.linalg.det(turn)) < 0 or not bool(matrix.isfinite().all()):
            raise ValueError(f"the matrix of camera {k} is no rotation with a position: export it without scale.")
    if not all(0.0 < f < 180.0 for f in fovy):
        raise ValueError("a camera's field of view does not lie between 0 and 180 degrees: write it in degrees.")
    matrices = torch.stack(list(c2w))
    matrices[:, :3, :3] = _nearest_rotation(matrices[:, :3, :3])
    return Pinholes(matrices[:, None], torch.tensor(list(fovy)), torch.zeros(len(matrices), 1, 2))


def read_key_list(text: str) -> CameraPath:
    """JSON: {"keys": [...]} or the list alone; see camera_of for one key. Keys may say "when", all or none "time".

    Where every key has an azimuth, angles are what is smooth: {"when", "azimuth", "elevation", "radius"}."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the camera keys are not JSON (line {error.lineno}): write a list of keys.") from None
    keys = found.get("keys") if isinstance(found, dict) else found
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError('the camera file has no keys: write {"keys": [{"when": 0, "azimuth": 0}, ...]}.')
    when = [_number(key, "when", even) for key, even in zip(keys, evenly(len(keys)), strict=True)]
    if all("azimuth" in key for key in keys) and len(keys) > 1:
        angles = (("azimuth", 0.0), ("elevation", 0.0), ("radius", RADIUS))
        rows = [(w, *(_number(key, name, usual) for name, usual in angles)) for w, key in zip(when, keys, strict=True)]
        return Spline(tuple(sorted(rows)), _number(keys[0], "fov", FOVY))
    cameras = [camera_of(key) for key in keys]
    timed = [key["time"] for key in keys if "time" in key]
    if timed and len(timed) != len(keys):
        raise ValueError(f"{len(timed)} of {len(keys)} camera keys say a time: give it to all of them or to none.")
    time = tuple(_number(key, "time", 0.0) for key in keys) if timed else None
    return KeyframePath(standing([c for c, _ in cameras], [f for _, f in cameras]), tuple(when), time)


def camera_of(key: Mapping[str, Any]) -> tuple[Tensor, float]:  # c2w (4, 4), fovy in degrees
    """One camera: "transform_matrix", or "position" with "quaternion" (x, y, z, w) or "target"; "fov" is vertical.

    LOAD3D_CAMERA is such a key: right-handed, y up, looks along -z, like ours. Points are lists or {x, y, z}. "zoom"
    divides the picture plane, as three.js means it."""
    if key.get("cameraType", "perspective") != "perspective":
        raise ValueError(f"the camera is {key['cameraType']}: switch it to perspective, which has a field of view.")
    fovy = _zoomed(_number(key, "fov", FOVY), _number(key, "zoom", 1.0))
    if "transform_matrix" in key:
        return matrix_of(key["transform_matrix"]), fovy
    if "azimuth" in key:
        raise ValueError("some camera keys give an azimuth and others a position: write all of them in one way.")
    position = _point(key, "position", None)
    c2w = torch.eye(4)
    c2w[:3, 3] = torch.tensor(position)
    turn = key.get("quaternion")
    c2w[:3, :3] = _look(position, _point(key, "target", (0.0, 0.0, 0.0))) if turn is None else _turned(key)
    return c2w, fovy


def _zoomed(fovy: float, zoom: float) -> float:
    """Degrees, as three.js' PerspectiveCamera.getEffectiveFOV: 2 atan(tan(fov / 2) / zoom)."""
    if not zoom > 0.0:
        raise ValueError(f"a camera's zoom is {zoom:g}: write a number above 0.")
    return math.degrees(2.0 * math.atan(math.tan(math.radians(fovy) / 2.0) / zoom)) if zoom != 1.0 else fovy


def matrix_of(rows: Any) -> Tensor:  # (4, 4)
    """A camera-to-world matrix from JSON: rows, or 16 numbers in a row."""
    try:
        return torch.tensor(rows, dtype=torch.float32).reshape(4, 4)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError("a camera has no 4 x 4 transform_matrix: write it again.") from None


def _look(position: Sequence[float], target: Sequence[float]) -> Tensor:  # (3, 3)
    """Right, up and back of a camera that stands upright; straight above or below the target, up is -z or +z."""
    back = torch.tensor(position) - torch.tensor(target)
    if float(back.norm()) < 1e-6:
        raise ValueError("a camera stands on its own target: move it away.")
    back = back / back.norm()
    right = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), back)
    right = right / right.norm() if float(right.norm()) > 1e-6 else torch.tensor([1.0, 0.0, 0.0])
    return torch.stack([right, torch.linalg.cross(back, right), back], dim=-1)


def _turned(key: Mapping[str, Any]) -> Tensor:  # (3, 3)
    x, y, z, w = _point(key, "quaternion", None, "xyzw")
    size = math.sqrt(x * x + y * y + z * z + w * w)
    if size < 1e-6:
        raise ValueError("a camera's quaternion is zero: write x, y, z, w of a rotation.")
    x, y, z, w = (v / size for v in (x, y, z, w))
    return torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _point(
    key: Mapping[str, Any], name: str, usual: Sequence[float] | None, axes: str = "xyz"
) -> tuple[float, ...]:  # one number for each axis
    value = key.get(name, usual)
    if isinstance(value, Mapping):
        value = [value.get(axis) for axis in axes]
    try:
        numbers = tuple(float(v) for v in value)
    except (TypeError, ValueError):
        numbers = ()
    if len(numbers) != len(axes) or not all(map(math.isfinite, numbers)):
        raise ValueError(f"a camera's {name} is {value}: write {len(axes)} numbers, {', '.join(axes)}.")
    return numbers


def _number(key: Mapping[str, Any], name: str, usual: float) -> float:
    value = key.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(f"a camera's {name} is {value!r}: write a number.")
    return float(value)
