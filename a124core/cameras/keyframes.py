"""Paths through camera keyframes, each given as a matrix, two points, or the host's LOAD3D_CAMERA."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..protocols import Pinholes
from ..utils.rotations import nearest_rotations
from .parse_camera import camera_list, parse_camera, parse_number
from .paths import CameraPath, Spline, StaticCamera, check_when, frame_times, interpolate_keys
from .rig import FOVY, MAX_FOVY, MIN_FOVY, RADIUS, make_cameras, to_pinholes

MAX_KEYS = 10_000  # cameras of one path
ROTATION_TOLERANCE = 0.03  # largest entry of R R^T - I: files round to a few digits


@dataclass(frozen=True)
class KeyframePath:
    """A path through K keys: positions on a smooth curve, rotations by the nearest one to a blend, the rest linear."""

    keys: Pinholes  # K, one eye each
    when: tuple[float, ...]  # K, ascending, in [0, 1]: share of the film
    time: tuple[float, ...] | None = None  # K scene times in [0, 1]; None: the scene plays
    listed: bool = True  # whoever has images takes the keys one for one; False: the keys say when they are reached

    def __post_init__(self) -> None:
        check_when(self.when)
        if not all(0.0 <= t <= 1.0 for t in self.time or ()):
            raise ValueError("a key's 'time' lies outside 0 .. 1: divide by the length of the clip.")

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
        c2w[:, :3, :3] = nearest_rotations(_interpolate(self.keys.c2w[:, 0, :3, :3], before, after, share))
        c2w[:, :3, 3] = position
        fovy, centre = (_interpolate(v, before, after, share) for v in (self.keys.fovy, self.keys.centre))
        times = film if self.time is None else _interpolate(torch.tensor(self.time), before, after, share)
        return Pinholes(c2w[:, None], fovy, centre), times


def _interpolate(values: Tensor, before: Tensor, after: Tensor, share: Tensor) -> Tensor:  # (K, ...) -> (F, ...)
    return torch.lerp(values[before], values[after], share.reshape(-1, *[1] * (values.ndim - 1)))


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
    if not all(MIN_FOVY <= f <= MAX_FOVY for f in fovy):
        raise ValueError("a camera's field of view does not lie between 0 and 180 degrees: write it in degrees.")
    matrices = torch.stack(list(c2w))
    matrices[:, :3, :3] = nearest_rotations(matrices[:, :3, :3])
    return Pinholes(matrices[:, None], torch.tensor(list(fovy)), torch.zeros(len(matrices), 1, 2))


def path_from_keys(content: Any) -> CameraPath:
    """Return the path of {"keys": [...]} or the list alone; keys may have "when", and all or none "time".

    Where every key has an azimuth, the angles are interpolated: {"when", "azimuth", "elevation", "radius"}."""
    keys = content.get("keys") if isinstance(content, dict) else content
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError('the camera file has no keys: write {"keys": [{"when": 0, "azimuth": 0}, ...]}.')
    check_count(keys)
    when = [parse_number(key, "when", even) for key, even in zip(keys, even_times(len(keys)), strict=True)]
    listed = not any("when" in key for key in keys)
    if all("azimuth" in key for key in keys):
        defaults = {"azimuth": 0.0, "elevation": 0.0, "radius": RADIUS}
        rows = [[parse_number(key, *default) for default in defaults.items()] for key in keys]
        if len(rows) == 1 and not {"position", "transform_matrix"} & {*keys[0]}:
            azimuth, elevation, radius = rows[0]
            return StaticCamera(elevation, azimuth, radius, parse_number(keys[0], "fov", FOVY))
        if len(rows) > 1:
            spline = tuple(sorted((w, *row) for w, row in zip(when, rows, strict=True)))
            return Spline(spline, parse_number(keys[0], "fov", FOVY), listed)
    cameras = [parse_camera(key) for key in keys]
    timed = sum("time" in key for key in keys)
    if timed not in (0, len(keys)):
        raise ValueError(f"{timed} of {len(keys)} camera keys have a time: give it to all of them or to none.")
    time = tuple(parse_number(key, "time", 0.0) for key in keys) if timed else None
    pinholes = pinholes_from_matrices([c for c, _ in cameras], [f for _, f in cameras])
    return KeyframePath(pinholes, tuple(when), time, listed)


def path_of_cameras(cameras: Any) -> KeyframePath:
    """Return the path through a LOAD3D_CAMERA, one camera or a list of them, in order and evenly spaced."""
    listed = camera_list(cameras)
    check_count(listed)
    parsed = [parse_camera(camera) for camera in listed]
    return KeyframePath(pinholes_from_matrices(*zip(*parsed, strict=True)), even_times(len(listed)))


def listed_cameras(path: CameraPath) -> Pinholes:
    """Return the cameras that a path was made of, in their order."""
    if isinstance(path, KeyframePath):
        return path.keys
    if isinstance(path, Spline):
        _, azimuth, elevation, radius = zip(*path.keys, strict=True)
        return to_pinholes(make_cameras(elevation, azimuth, radius, path.fovy))
    return to_pinholes(path(1)[0])


def image_cameras(cameras: Any, count: int) -> tuple[Pinholes, str]:
    """Return the cameras of `count` images, and a note where they were interpolated: those that are listed, however
    many they are, or one for each image along any other path; `cameras` is a camera path or a LOAD3D_CAMERA."""
    path = cameras if callable(cameras) else path_of_cameras(cameras)
    keys = path.keys if isinstance(path, (KeyframePath, Spline)) else ()
    if type(path) is StaticCamera or (keys and path.listed):
        return listed_cameras(path), ""
    note = f"The {count} cameras were interpolated along a path of {len(keys)} keys, evenly in time."
    return to_pinholes(path(count)[0]), note if keys else ""


def check_count(cameras: Sequence[Any]) -> None:
    """Refuse more cameras than any film needs."""
    if len(cameras) > MAX_KEYS:
        raise ValueError(f"{len(cameras)} cameras are listed: at most {MAX_KEYS} are read, so leave some out.")
