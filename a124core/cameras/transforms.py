"""Cameras as nerfstudio's transforms.json, out and in. Conventions: docs/frames.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from ..utils.files import write_json
from .paths import CameraPath
from .rig import focal_length, to_pinholes
from .track import KeyframePath, evenly, matrix_of, read_key_list, standing

STRAIGHT = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}  # a pinhole has no distortion
GENERATOR = "ComfyUI-Animate124"  # by which a folder that may be written again is known from anyone's data
UNEQUAL = 0.01  # by how much fl_x and fl_y may differ, as a share


def write_transforms(
    path: str | Path,
    cameras: Cameras | Pinholes,  # F, one eye each
    time: Tensor,  # (F,)
    size: tuple[int, int],  # H, W pixels
    files: Mapping[str, list[str]] | None = None,  # key of a frame -> F names; default file_path images/0000.png ...
    more: Mapping[str, Any] | None = None,  # further entries beside "frames"
) -> None:
    """OpenGL camera-to-world matrices, which ours are (right, up, back); y is up in the world; time per frame.

    Intrinsics that all frames share stand once at the top, with camera_angle_x for readers of Blender's form."""
    seen = to_pinholes(cameras)
    if seen.eyes != 1:
        raise ValueError("pictures of two eyes side by side have no one camera: set the eyes' distance to 0.")
    names = files or {"file_path": [f"images/{k:04d}.png" for k in range(len(seen))]}
    lenses = [_lens(seen, k, size) for k in range(len(seen))]
    shared = all(lens == lenses[0] for lens in lenses)
    frames = []
    for k, (matrix, moment) in enumerate(zip(seen.c2w[:, 0].tolist(), time.tolist(), strict=True)):
        frame: dict[str, Any] = {key: column[k] for key, column in names.items()}
        frames.append({**frame, "time": moment, "transform_matrix": matrix, **({} if shared else lenses[k])})
    top = {**lenses[0], "camera_angle_x": 2.0 * math.atan(size[1] / (2.0 * lenses[0]["fl_x"]))} if shared else {}
    about = {"generator": GENERATOR, "camera_model": "OPENCV", **top, **STRAIGHT, **(more or {})}
    write_json(path, {**about, "frames": frames})


def _lens(seen: Pinholes, k: int, size: tuple[int, int]) -> dict[str, float]:
    """Pixels; cx and cy count from the upper left corner of the upper left pixel."""
    height, width = size
    focal = float(focal_length(seen.fovy[k].double(), height))
    right, up = (height * v for v in seen.centre[k, 0].tolist())
    return {"fl_x": focal, "fl_y": focal, "cx": width / 2 + right, "cy": height / 2 - up, "w": width, "h": height}


def check_written_here(folder: Path) -> None:
    """Stop if a folder holds anything that was not written with its transforms.json, or if that is not by us."""
    meta = _meta(folder / "transforms.json") if (folder / "transforms.json").is_file() else None
    if not isinstance(meta, dict) or meta.get("generator") != GENERATOR:
        raise ValueError(f"{folder} was not written by this program: choose a new or empty folder.")
    stems = {Path(str(frame.get("file_path"))).stem for frame in meta.get("frames", ())}
    for file in sorted(folder.glob("*/**/*")):
        ours = file.suffix == ".png" and file.stem in stems and file.parent.parent == folder
        if not ours or file.is_symlink():
            raise ValueError(f"{folder} holds {file.name!r}, which is not of its export: choose a new or empty folder.")


def read_transforms(path: str | Path) -> tuple[Pinholes, Tensor]:  # F cameras, time (F,)
    """Cameras that stand and look anywhere; frames without a time get evenly spaced ones."""
    track = _from_frames(_meta(path), path)
    return track.keys, torch.tensor(track.time or evenly(len(track.keys)))


def read_camera_file(path: str | Path) -> CameraPath:
    """A transforms.json, a camera_path.json of nerfstudio's viewer, or a JSON list of keys, as a path."""
    meta = _meta(path)
    try:
        if isinstance(meta, dict) and "frames" in meta:
            return _from_frames(meta, path)
        if isinstance(meta, dict) and "camera_path" in meta:
            return _from_viewer(meta["camera_path"])
        return read_key_list(json.dumps(meta))
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from None


def _meta(path: str | Path) -> Any:
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} was not found: give the path of a transforms.json.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path} is not JSON: give a transforms.json as nerfstudio writes it.") from None


def _from_frames(meta: Any, path: str | Path) -> KeyframePath:
    frames = meta.get("frames") if isinstance(meta, dict) else None
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"{path} lists no frames: give a transforms.json as nerfstudio writes it.")
    try:
        keys = standing([matrix_of(f.get("transform_matrix")) for f in frames], [_fovy({**meta, **f}) for f in frames])
        centre = torch.tensor([[_centre({**meta, **frame})] for frame in frames])
        time = tuple(float(f["time"]) for f in frames) if all("time" in f for f in frames) else None
        return KeyframePath(Pinholes(keys.c2w, keys.fovy, centre), evenly(len(frames)), time)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _from_viewer(shots: Any) -> KeyframePath:
    """nerfstudio's viewer: camera_to_world (16 numbers), fov (vertical, degrees)."""
    if not isinstance(shots, list) or not shots or not all(isinstance(shot, dict) for shot in shots):
        raise ValueError("its camera_path is empty: save it again with at least one camera.")
    matrices = [matrix_of(shot.get("camera_to_world")) for shot in shots]
    return KeyframePath(standing(matrices, [float(shot.get("fov", 50.0)) for shot in shots]), evenly(len(shots)))


def _fovy(lens: dict[str, Any]) -> float:
    """Degrees, from focal length and height, or from camera_angle_x and the picture's shape."""
    along, across, height = lens.get("fl_x"), lens.get("fl_y", lens.get("fl_x")), lens.get("h")
    if any(lens.get(name) for name in ("k1", "k2", "k3", "k4", "p1", "p2")):
        raise ValueError("its lens is distorted (k1, k2, p1, p2): undistort the pictures and export again.")
    if across and along and abs(float(across) / float(along) - 1.0) > UNEQUAL:
        raise ValueError(
            f"fl_x is {along} and fl_y is {across}: cameras here have square pixels, use one focal length."
        )
    if across and height:
        return math.degrees(2.0 * math.atan(float(height) / (2.0 * float(across))))
    if "camera_angle_x" in lens:
        shape = float(lens.get("h", 1)) / float(lens.get("w", 1)) if "h" in lens and "w" in lens else 1.0
        return math.degrees(2.0 * math.atan(shape * math.tan(float(lens["camera_angle_x"]) / 2.0)))
    raise ValueError("a frame has neither fl_y and h nor camera_angle_x: add them.")


def _centre(lens: dict[str, Any]) -> list[float]:
    """Where the axis meets the picture, right and up of its middle, in picture heights."""
    height, width = lens.get("h"), lens.get("w")
    if not height or not width:
        return [0.0, 0.0]
    x, y = float(lens.get("cx", width / 2)), float(lens.get("cy", height / 2))
    return [(x - width / 2) / height, (height / 2 - y) / height]
