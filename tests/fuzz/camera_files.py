"""Damaged camera files: our own transforms.json, nerfstudio's, its viewer's, lists of keys, and lines of a spline."""

from __future__ import annotations

import json
import math
import random
import tempfile
from pathlib import Path
from typing import Any

import torch

from a124core.cameras.paths import CameraPath, Spline, read_keys
from a124core.cameras.rig import make_cameras, pixel_rays, to_pinholes
from a124core.cameras.transforms import check_written_here, read_camera_file, write_transforms
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import damage_bytes, damage_json, json_bytes

FRAMES = 5


def _ours() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "transforms.json"
        write_transforms(path, make_cameras(0.0, [0.0, 90.0, 180.0]), torch.linspace(0, 1, 3), (64, 64))
        return json.loads(path.read_text())


MATRICES = to_pinholes(make_cameras([0.0, 10.0, 20.0], [0.0, 90.0, 170.0])).c2w[:, 0].tolist()
SAMPLES: tuple[Any, ...] = (
    _ours(),
    {
        "camera_angle_x": 0.7, "w": 64, "h": 48,
        "frames": [{"file_path": "a", "transform_matrix": matrix} for matrix in MATRICES],
    },
    {
        "camera_type": "perspective",
        "camera_path": [{"camera_to_world": sum(m, []), "fov": 50, "aspect": 1} for m in MATRICES],
    },
    {"keys": [{"when": 0, "azimuth": 0}, {"when": 0.5, "azimuth": 90, "elevation": 20, "radius": 1.8}, {"azimuth": 5}]},
    [
        {"when": 0, "position": [0, 0, 1.8], "fov": 40, "time": 0},
        {"when": 0.4, "position": {"x": 1.5, "y": 0.5, "z": 1}, "target": [0, 0.2, 0], "zoom": 2, "time": 0.3},
        {"when": 1, "position": [0, 2, -1], "quaternion": [0, math.sqrt(0.5), 0, math.sqrt(0.5)], "time": 1},
    ],
)
SPLINE = "0: 0 0 1.8\n0.5: 60 20 1.8  # half-way\n1: 0 0, 1.8"


def damaged_cameras(rng: random.Random) -> tuple[str, bytes]:
    return ".json", json_bytes(rng, damage_json(rng, rng.choice(SAMPLES)))


def damaged_spline(rng: random.Random) -> tuple[str, bytes]:
    return ".txt", damage_bytes(rng, SPLINE.encode())


def read_cameras(path: Path) -> Any:
    """Cameras, times and rays of a short film, as render makes them."""
    return _film(read_camera_file(path))


def read_spline(path: Path) -> Any:
    """What the node does with its text."""
    return _film(Spline(read_keys(path.read_bytes().decode("utf-8", "replace"))))


def read_own_folder(path: Path) -> None:
    """What an export does before it replaces a folder."""
    target = path.parent / "folder"
    target.mkdir(exist_ok=True)
    path.replace(target / "transforms.json")
    path.touch()
    check_written_here(target)


def _film(camera_path: CameraPath) -> Any:
    cameras, times = camera_path(FRAMES)
    if not ((times >= 0) & (times <= 1)).all():
        raise AssertionError(f"times {times.tolist()}")
    return [vars(cameras), times, pixel_rays(cameras, (4, 6))]


PARSERS = (
    Parser("cameras", damaged_cameras, read_cameras),
    Parser("splines", damaged_spline, read_spline),
    Parser("own folders", lambda rng: (".json", json_bytes(rng, damage_json(rng, SAMPLES[0]))), read_own_folder),
)
