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


def built_cameras(rng: random.Random) -> tuple[str, bytes]:
    """Any of the known keys with values that fit, nearly fit or do not, in any of the forms of a file."""
    count = rng.choice((1, 1, 2, 3, 8))
    items = [_built_item(rng, k / count) for k in range(count)]
    forms: tuple[Any, ...] = (
        {**_built_lens(rng), "frames": items}, {"camera_path": items, **_built_lens(rng)}, {"keys": items}, items,
        {"frames": items, "keys": items, "camera_path": items}, {"frames": dict(enumerate(items))},
    )
    return ".json", json.dumps(rng.choice(forms)).encode(rng.choice(("utf-8", "utf-8-sig", "utf-16")))


def _built_item(rng: random.Random, share: float) -> dict[str, Any]:
    """A camera whose form is mixed: a matrix nearly a rotation, or points, angles and times."""
    matrix = [list(row) for row in rng.choice(MATRICES)]
    if rng.random() < 0.5:
        matrix[rng.randrange(4)][rng.randrange(4)] += rng.choice((1e-4, 0.02, -0.5, 1e30, -1e12, float("inf")))
    if rng.random() < 0.1:
        matrix = [list(column) for column in zip(*matrix, strict=True)][: rng.choice((3, 4))]
    values = {
        "transform_matrix": matrix, "camera_to_world": sum(matrix, []), "fov": _built_number(rng, 50.0),
        "time": _built_number(rng, share), "when": _built_number(rng, share), "azimuth": _built_number(rng, 90.0),
        "elevation": _built_number(rng, 20.0), "radius": _built_number(rng, 1.8), "zoom": _built_number(rng, 1.0),
        "position": [_built_number(rng, 1.0) for _ in range(3)], "target": {"x": 0, "y": _built_number(rng, 0), "z": 0},
        "quaternion": {axis: _built_number(rng, 0.5) for axis in "xyzw"}, **_built_lens(rng),
    }
    names = rng.sample(list(values), rng.randint(1, 6))
    return {name: values[name] for name in names} | rng.choice(({}, {"transform_matrix": matrix}, {"azimuth": 3}))


def _built_lens(rng: random.Random) -> dict[str, Any]:
    lens = {
        "fl_x": _built_number(rng, 90.0), "fl_y": _built_number(rng, 90.0), "w": _built_number(rng, 64), "k1": 0,
        "h": _built_number(rng, 64), "cx": _built_number(rng, 32.0), "cy": _built_number(rng, 32.0),
        "camera_angle_x": _built_number(rng, 0.7), "camera_model": rng.choice(("OPENCV", "PINHOLE", "FISHEYE", None)),
    }
    return {name: lens[name] for name in rng.sample(list(lens), rng.randint(0, len(lens)))}


def _built_number(rng: random.Random, usual: float) -> Any:
    if rng.random() < 0.9:
        return usual
    odd = (0, -usual, usual * 1e3, 1e-12, 1e-40, 1e9, 1e39, 10**25, True, None, f"{usual}", float("nan"), [])
    return rng.choice(odd)


def built_spline(rng: random.Random) -> tuple[str, bytes]:
    """Lines of numbers, too near, too large, too many, and not always numbers."""
    lines = []
    for _ in range(rng.choice((1, 2, 3, 5, 1200))):
        numbers = [_built_number(rng, rng.uniform(-90, 90)) for _ in range(rng.choice((1, 2, 2, 3, 3, 3, 3, 4)))]
        odd = rng.choice((0, 1, 1e-9, 0.5, 0.5 + 1e-12, -0.0, "nan", "1e400", "½", "١"))
        when, colon = (rng.random(), ": ") if rng.random() < 0.8 else (odd, rng.choice((":", " ", "::")))
        lines.append(f"{when}{colon}{rng.choice((' ', ', ')).join(map(str, numbers))}")
    return ".txt", rng.choice(("\n", "\r\n", "\u2028")).join(lines).encode()


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
    Parser("built cameras", built_cameras, read_cameras),
    Parser("built splines", built_spline, read_spline),
    Parser("cameras", damaged_cameras, read_cameras),
    Parser("splines", damaged_spline, read_spline),
    Parser("own folders", lambda rng: (".json", json_bytes(rng, damage_json(rng, SAMPLES[0]))), read_own_folder),
)
