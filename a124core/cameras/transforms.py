"""Cameras as nerfstudio's transforms.json, out and in. Conventions: docs/frames.md."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from ..utils.files import write_json
from ..utils.json_files import read_json
from ..utils.text import quote_value
from .keyframes import KeyframePath, check_count, even_times, path_from_keys, pinholes_from_matrices
from .parse_camera import parse_matrix, parse_number
from .paths import CameraPath
from .rig import focal_length, to_pinholes

NO_DISTORTION = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}  # a pinhole has no distortion
GENERATOR = "ComfyUI-Animate124"  # marks a folder that may be replaced, unlike anyone's data
ADVICE = "give a transforms.json as nerfstudio writes it, or a list of camera keys"
DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
PINHOLE_MODELS = (  # COLMAP's, as nerfstudio writes them; without distortion each is a pinhole
    "PINHOLE", "SIMPLE_PINHOLE", "OPENCV", "FULL_OPENCV", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE",
)
VIEWER_FOVY = 50.0  # degrees, nerfstudio's viewer
SMALLEST = 1e-6  # of a length or an angle
MAX_SHIFT = 100.0  # image heights, of the axis from the middle
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
    try:
        meta = read_json(folder / "transforms.json", ADVICE)
    except ValueError:
        meta = {}
    frames = meta.get("frames")
    if meta.get("generator") != GENERATOR or not _are_objects(frames):
        raise ValueError(f"{folder} was not written by this program: choose a new or empty folder.")
    stems = {Path(str(frame.get("file_path"))).stem for frame in frames}
    for file in sorted(folder.glob("*/**/*")):
        ours = file.suffix == ".png" and file.stem in stems and file.parent.parent == folder
        if not ours or file.is_symlink():
            raise ValueError(f"{folder} holds {file.name!r}, which is not of its export: choose a new or empty folder.")


def read_camera_file(path: str | Path) -> CameraPath:
    """Read a transforms.json, a camera_path.json of nerfstudio's viewer, or a JSON list of keys, as a path."""
    content = read_json(path, ADVICE, (dict, list))
    try:
        if isinstance(content, dict) and "frames" in content:
            return _path_from_frames(content)
        if isinstance(content, dict) and "camera_path" in content:
            return _path_from_viewer(content)
        return path_from_keys(content)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _path_from_frames(content: dict[str, Any]) -> KeyframePath:
    frames = content["frames"]
    if not _are_objects(frames):
        raise ValueError("it lists no frames: give a transforms.json as nerfstudio writes it.")
    check_count(frames)
    shared = {name: value for name, value in content.items() if name != "frames"}
    lenses = [{**shared, **frame} for frame in frames]
    for lens in lenses:
        _check_lens(lens)
    matrices = [parse_matrix(frame.get("transform_matrix")) for frame in frames]
    keys = pinholes_from_matrices(matrices, [_fovy(lens) for lens in lenses])
    centre = torch.tensor([[_centre(lens)] for lens in lenses])
    timed = all("time" in frame for frame in frames)
    time = tuple(parse_number(frame, "time", 0.0) for frame in frames) if timed else None
    return KeyframePath(Pinholes(keys.c2w, keys.fovy, centre), even_times(len(frames)), time)


def listed_files(path: str | Path) -> list[str]:
    """Return the names of the pictures that a transforms.json lists, without folder; empty where a frame has none."""
    content = read_json(path, ADVICE, (dict, list))
    frames = content.get("frames") if isinstance(content, dict) else None
    names = [frame.get("file_path") for frame in frames] if _are_objects(frames) else []
    if not all(isinstance(name, str) for name in names):
        return []
    return [name.replace("\\", "/").rpartition("/")[2] for name in names]


def _path_from_viewer(content: dict[str, Any]) -> KeyframePath:
    """Read keys of nerfstudio's viewer: camera_to_world (16 numbers), fov (vertical, degrees)."""
    keys = content["camera_path"]
    if not _are_objects(keys):
        raise ValueError("its camera_path is empty: save it again with at least one camera.")
    check_count(keys)
    for group in (content, *keys):
        if group.get("camera_type", "perspective") != "perspective":
            raise ValueError(f"its camera_type is {quote_value(group['camera_type'])}: save it as perspective.")
    matrices = [parse_matrix(key.get("camera_to_world")) for key in keys]
    return KeyframePath(
        pinholes_from_matrices(matrices, [parse_number(key, "fov", VIEWER_FOVY) for key in keys]), even_times(len(keys))
    )


def _are_objects(values: Any) -> bool:
    """Return whether JSON holds a list of objects that is not empty."""
    return isinstance(values, list) and bool(values) and all(isinstance(value, dict) for value in values)


def _check_lens(lens: dict[str, Any]) -> None:
    """Refuse a lens that is no pinhole."""
    model = lens.get("camera_model") or "PINHOLE"
    if model not in PINHOLE_MODELS or lens.get("is_fisheye"):
        kind = "fisheye" if lens.get("is_fisheye") else quote_value(model)
        raise ValueError(f"its camera_model is {kind}, no pinhole: undistort the images and export again.")
    if any(lens.get(name) for name in DISTORTION):
        raise ValueError("its lens is distorted (k1, k2, p1, p2): undistort the images and export again.")


def _fovy(lens: dict[str, Any]) -> float:
    """Return degrees, from focal length and height, or from camera_angle_x and the image's aspect ratio."""
    fl_x, height, width = (_positive(lens, name) for name in ("fl_x", "h", "w"))
    fl_y = _positive(lens, "fl_y") or fl_x
    if fl_y and fl_x and abs(fl_y / fl_x - 1.0) > MAX_FOCAL_MISMATCH:
        raise ValueError(
            f"fl_x is {fl_x:g} and fl_y is {fl_y:g}: cameras here have square pixels, use one focal length."
        )
    if fl_y and height:
        return math.degrees(2.0 * math.atan(height / (2.0 * fl_y)))
    angle = _positive(lens, "camera_angle_x")
    if angle is None:
        raise ValueError("a frame has neither fl_y and h nor camera_angle_x: add them.")
    if angle >= math.pi:
        raise ValueError(f"camera_angle_x is {angle:g}: write it in radians, below pi.")
    aspect = height / width if height and width else 1.0
    return math.degrees(2.0 * math.atan(aspect * math.tan(angle / 2.0)))


def _positive(lens: dict[str, Any], name: str) -> float | None:
    """Return a number of a lens, None where it is missing."""
    if lens.get(name) is None:
        return None
    value = parse_number(lens, name, 0.0)
    if value < SMALLEST:
        raise ValueError(f"{name} is {value:g}: write a number above 0.")
    return value


def _centre(lens: dict[str, Any]) -> list[float]:
    """Return where the axis meets the image, right and up of its middle, in image heights."""
    height, width = _positive(lens, "h"), _positive(lens, "w")
    if not height or not width:
        return [0.0, 0.0]
    x, y = parse_number(lens, "cx", width / 2), parse_number(lens, "cy", height / 2)
    centre = [(x - width / 2) / height, (height / 2 - y) / height]
    if max(map(abs, centre)) > MAX_SHIFT:
        raise ValueError(f"cx is {x:g} and cy is {y:g}: write pixels of an image of w x h.")
    return centre
