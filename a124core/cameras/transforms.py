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
from .keyframes import KeyframePath, even_times, parse_matrix, pinholes_from_matrices, read_key_list
from .paths import CameraPath
from .rig import focal_length, to_pinholes

NO_DISTORTION = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}  # a pinhole has no distortion
GENERATOR = "ComfyUI-Animate124"  # marks a folder that may be replaced, unlike anyone's data
MAX_FOCAL_MISMATCH = 0.01  # relative difference of fl_x and fl_y


def write_transforms(
    path: str | Path,
    cameras: Cameras | Pinholes,  # F, one eye each
    time: Tensor,  # (F,)
    size: tuple[int, int],  # H, W pixels
    files: Mapping[str, list[str]] | None = None,  # key of a frame -> F names; default file_path images/0000.png ...
    extra: Mapping[str, Any] | None = None,  # further entries beside "frames"
) -> None:
    """Write OpenGL camera-to-world matrices, which ours are (right, up, back); y is up in the world; time per frame.

    Intrinsics that all frames share are written once at the top, with camera_angle_x for readers of Blender's form."""
    pinholes = to_pinholes(cameras)
    if pinholes.eyes != 1:
        raise ValueError("images of two eyes side by side have no one camera: set the eyes' distance to 0.")
    names = files or {"file_path": [f"images/{k:04d}.png" for k in range(len(pinholes))]}
    intrinsics = [_intrinsics(pinholes, k, size) for k in range(len(pinholes))]
    shared = all(values == intrinsics[0] for values in intrinsics)
    frames = []
    for k, (matrix, scene_time) in enumerate(zip(pinholes.c2w[:, 0].tolist(), time.tolist(), strict=True)):
        frame: dict[str, Any] = {key: column[k] for key, column in names.items()}
        frames.append({**frame, "time": scene_time, "transform_matrix": matrix, **({} if shared else intrinsics[k])})
    angle = 2.0 * math.atan(size[1] / (2.0 * intrinsics[0]["fl_x"]))
    top = {**intrinsics[0], "camera_angle_x": angle} if shared else {}
    header = {"generator": GENERATOR, "camera_model": "OPENCV", **top, **NO_DISTORTION, **(extra or {})}
    write_json(path, {**header, "frames": frames})


def _intrinsics(pinholes: Pinholes, k: int, size: tuple[int, int]) -> dict[str, float]:
    """Return focal length and centre in pixels; cx and cy count from the upper left corner of the upper left pixel."""
    height, width = size
    focal = float(focal_length(pinholes.fovy[k].double(), height))
    right, up = (height * v for v in pinholes.centre[k, 0].tolist())
    return {"fl_x": focal, "fl_y": focal, "cx": width / 2 + right, "cy": height / 2 - up, "w": width, "h": height}


def check_written_here(folder: Path) -> None:
    """Refuse a folder that holds anything that was not written with its transforms.json, or if that is not ours."""
    meta = _read_json(folder / "transforms.json") if (folder / "transforms.json").is_file() else None
    if not isinstance(meta, dict) or meta.get("generator") != GENERATOR:
        raise ValueError(f"{folder} was not written by this program: choose a new or empty folder.")
    stems = {Path(str(frame.get("file_path"))).stem for frame in meta.get("frames", ())}
    for file in sorted(folder.glob("*/**/*")):
        ours = file.suffix == ".png" and file.stem in stems and file.parent.parent == folder
        if not ours or file.is_symlink():
            raise ValueError(f"{folder} holds {file.name!r}, which is not of its export: choose a new or empty folder.")


def read_camera_file(path: str | Path) -> CameraPath:
    """Read a transforms.json, a camera_path.json of nerfstudio's viewer, or a JSON list of keys, as a path."""
    meta = _read_json(path)
    try:
        if isinstance(meta, dict) and "frames" in meta:
            return _path_from_frames(meta, path)
        if isinstance(meta, dict) and "camera_path" in meta:
            return _path_from_viewer(meta["camera_path"])
        return read_key_list(json.dumps(meta))
    except ValueError as error:
        raise error if str(path) in str(error) else ValueError(f"{path}: {error}") from None


def _read_json(path: str | Path) -> Any:
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} was not found: give the path of a transforms.json.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise ValueError(f"{path} is not JSON: give a transforms.json as nerfstudio writes it.") from None


def _path_from_frames(meta: dict[str, Any], path: str | Path) -> KeyframePath:
    frames = meta["frames"]
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise ValueError(f"{path} lists no frames: give a transforms.json as nerfstudio writes it.")
    try:
        matrices = [parse_matrix(frame.get("transform_matrix")) for frame in frames]
        keys = pinholes_from_matrices(matrices, [_fovy({**meta, **frame}) for frame in frames])
        centre = torch.tensor([[_centre({**meta, **frame})] for frame in frames])
        time = tuple(float(f["time"]) for f in frames) if all("time" in f for f in frames) else None
        return KeyframePath(Pinholes(keys.c2w, keys.fovy, centre), even_times(len(frames)), time)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def _path_from_viewer(keys: Any) -> KeyframePath:
    """Read keys of nerfstudio's viewer: camera_to_world (16 numbers), fov (vertical, degrees)."""
    if not isinstance(keys, list) or not keys or not all(isinstance(key, dict) for key in keys):
        raise ValueError("its camera_path is empty: save it again with at least one camera.")
    matrices = [parse_matrix(key.get("camera_to_world")) for key in keys]
    fovy = [float(key.get("fov", 50.0)) for key in keys]
    return KeyframePath(pinholes_from_matrices(matrices, fovy), even_times(len(keys)))


def _fovy(lens: dict[str, Any]) -> float:
    """Return degrees, from focal length and height, or from camera_angle_x and the image's aspect ratio."""
    fl_x, fl_y, height = lens.get("fl_x"), lens.get("fl_y", lens.get("fl_x")), lens.get("h")
    if any(lens.get(name) for name in ("k1", "k2", "k3", "k4", "p1", "p2")):
        raise ValueError("its lens is distorted (k1, k2, p1, p2): undistort the images and export again.")
    if fl_y and fl_x and abs(float(fl_y) / float(fl_x) - 1.0) > MAX_FOCAL_MISMATCH:
        raise ValueError(
            f"fl_x is {fl_x} and fl_y is {fl_y}: cameras here have square pixels, use one focal length."
        )
    if fl_y and height:
        return math.degrees(2.0 * math.atan(float(height) / (2.0 * float(fl_y))))
    if "camera_angle_x" in lens:
        aspect = float(lens["h"]) / float(lens["w"]) if "h" in lens and "w" in lens else 1.0
        return math.degrees(2.0 * math.atan(aspect * math.tan(float(lens["camera_angle_x"]) / 2.0)))
    raise ValueError("a frame has neither fl_y and h nor camera_angle_x: add them.")


def _centre(lens: dict[str, Any]) -> list[float]:
    """Return where the axis meets the image, right and up of its middle, in image heights."""
    height, width = lens.get("h"), lens.get("w")
    if not height or not width:
        return [0.0, 0.0]
    x, y = float(lens.get("cx", width / 2)), float(lens.get("cy", height / 2))
    return [(x - width / 2) / height, (height / 2 - y) / height]
