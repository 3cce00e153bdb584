"""Cameras out and in again, and against a matrix typed out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from a124core.cameras import make_cameras
from a124core.export.transforms import read_transforms, write_transforms


def test_round_trip(tmp_path: Path) -> None:
    radius, fovy = [1.8, 2.0, 1.0, 3.0], [40.0, 30.0, 60.0, 49.0]
    cameras = make_cameras([0.0, 30.0, -50.0, 80.0], [0.0, 100.0, -170.0, 45.0], radius, fovy)
    time = torch.tensor([0.0, 0.25, 0.5, 1.0])
    write_transforms(tmp_path / "t.json", cameras, time, (128, 128))
    back, times = read_transforms(tmp_path / "t.json")
    assert torch.equal(times, time)
    for name in ("elevation", "azimuth", "radius", "fovy"):
        assert torch.allclose(getattr(back, name), getattr(cameras, name), atol=1e-3)


def test_the_reference_camera_by_hand(tmp_path: Path) -> None:
    write_transforms(tmp_path / "t.json", make_cameras(0.0, 0.0), torch.zeros(1), (128, 128), ["a.png"])
    frame = json.loads((tmp_path / "t.json").read_text())["frames"][0]
    expected = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1.8], [0, 0, 0, 1]])
    assert torch.allclose(torch.tensor(frame["transform_matrix"]), expected, atol=1e-6)
    assert frame["fl_x"] == pytest.approx(175.84, abs=0.01) and frame["cx"] == 64 and frame["file_path"] == "a.png"


def _written(path: Path, matrix: object, **more: object) -> Path:
    path.write_text(json.dumps({"camera_angle_x": math.radians(40), "frames": [{"transform_matrix": matrix, **more}]}))
    return path


def test_blenders_form_without_times(tmp_path: Path) -> None:
    matrix = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]
    cameras, time = read_transforms(_written(tmp_path / "t.json", matrix))
    assert float(cameras.fovy) == pytest.approx(40) and float(cameras.radius) == 2 and time.tolist() == [0.0]


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with pytest.raises(ValueError, match="not found"):
        read_transforms(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        read_transforms(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="no frames"):
        read_transforms(path)
    aside = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]
    with pytest.raises(ValueError, match="look at the origin"):
        read_transforms(_written(path, aside))
    ahead = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]
    with pytest.raises(ValueError, match="time"):
        read_transforms(_written(path, ahead, time=7))
    with pytest.raises(ValueError, match="transform_matrix"):
        read_transforms(_written(path, [1, 2]))
