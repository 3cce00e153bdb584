"""Cameras as nerfstudio's transforms.json, out and in."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..cameras import camera_to_world, make_cameras
from ..protocols import Cameras
from .files import write_json

TOLERANCE = 0.02  # how far a camera's axis may pass the origin (share of its distance), and its horizon may tilt


def write_transforms(
    path: str | Path,
    cameras: Cameras,  # F
    time: Tensor,  # (F,)
    size: tuple[int, int],  # H, W pixels
    files: list[str] | None = None,  # F names; default images/0000.png ...
) -> None:
    """OpenGL camera-to-world matrices, which ours are (right, up, back); y is up in the world; time per frame."""
    height, width = size
    frames = []
    for k, matrix in enumerate(camera_to_world(cameras).tolist()):
        focal = height / (2.0 * math.tan(math.radians(float(cameras.fovy[k])) / 2.0))
        frames.append(
            {
                "file_path": files[k] if files else f"images/{k:04d}.png",
                "transform_matrix": matrix,
                "time": float(time[k]),
                **{"fl_x": focal, "fl_y": focal, "cx": width / 2.0, "cy": height / 2.0, "w": width, "h": height},
            }
        )
    write_json(path, {"camera_model": "OPENCV", "frames": frames})


def read_transforms(path: str | Path) -> tuple[Cameras, Tensor]:  # F cameras, time (F,)
    """Cameras that look at the origin and stand upright; frames without a time get evenly spaced ones."""
    meta = _meta(path)
    frames = meta["frames"]
    angles = [_angles(frame, k, path) for k, frame in enumerate(frames)]
    fovy = [_fovy({**meta, **frame}, k, path) for k, frame in enumerate(frames)]
    elevation, azimuth, radius = zip(*angles, strict=True)
    time = [float(frame.get("time", k / max(1, len(frames) - 1))) for k, frame in enumerate(frames)]
    if not all(0.0 <= t <= 1.0 for t in time):
        raise ValueError(f"{path}: a frame's time lies outside 0 .. 1: divide the times by the clip's length.")
    return make_cameras(elevation, azimuth, radius, fovy), torch.tensor(time)


def _meta(path: str | Path) -> dict[str, Any]:
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} was not found: give the path of a transforms.json.")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path} is not JSON: give a transforms.json as nerfstudio writes it.") from None
    if not isinstance(meta, dict) or not isinstance(meta.get("frames"), list) or not meta["frames"]:
        raise ValueError(f"{path} lists no frames: give a transforms.json as nerfstudio writes it.")
    return meta


def _angles(frame: dict[str, Any], k: int, path: str | Path) -> tuple[float, float, float]:
    """Elevation, azimuth (degrees) and radius of one matrix."""
    try:
        c2w = torch.tensor(frame["transform_matrix"], dtype=torch.float32)
        centre, back, right = c2w[:3, 3], c2w[:3, 2], c2w[:3, 0]
    except (KeyError, TypeError, ValueError, IndexError):
        raise ValueError(f"{path}: frame {k} has no 4 x 4 transform_matrix: write it again.") from None
    radius = float(centre.norm())
    off_axis = float((centre - (centre @ back) * back).norm())
    if radius < 1e-6 or off_axis > TOLERANCE * radius or centre @ back < 0 or abs(float(right[1])) > TOLERANCE:
        raise ValueError(
            f"{path}: camera {k} does not look at the origin upright: centre the scene at 0, y up, and export again."
        )
    x, y, z = (centre / radius).tolist()
    return math.degrees(math.asin(max(-1.0, min(1.0, y)))), math.degrees(math.atan2(x, z)), radius


def _fovy(frame: dict[str, Any], k: int, path: str | Path) -> float:
    """Degrees, from focal length and height, or from camera_angle_x for square pictures."""
    focal, height = frame.get("fl_y", frame.get("fl_x")), frame.get("h")
    if focal and height:
        return math.degrees(2.0 * math.atan(float(height) / (2.0 * float(focal))))
    if "camera_angle_x" in frame and frame.get("w", 1) == frame.get("h", 1):
        return math.degrees(float(frame["camera_angle_x"]))
    raise ValueError(f"{path}: frame {k} has neither fl_y and h nor camera_angle_x: add them.")
