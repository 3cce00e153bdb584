"""The data set as trainers read it, and its points on the surface they came from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from a124core.export.images.capture import SPLITS, CaptureOptions, camera_lattice, export_capture, held_out

VIEWS, TIMES = 9, 3


@pytest.fixture(scope="module")
def folder(balls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "capture"
    export_capture(balls, out, CaptureOptions(VIEWS, TIMES, (40, 40)))
    return out


def test_the_lattice_starts_at_the_reference_camera_and_goes_all_around() -> None:
    cameras = camera_lattice(100)
    assert cameras.azimuth[0] == cameras.elevation[0] == 0
    turned = camera_lattice(100, front=45.0)
    assert torch.equal(turned.azimuth, cameras.azimuth + 45.0) and torch.equal(turned.elevation, cameras.elevation)
    assert cameras.elevation.min() < -25 and cameras.elevation.max() > 60
    quarters = torch.histc(cameras.azimuth, 4, 0, 360)
    assert quarters.min() > 20
    for views in (2, 4, 5, 24):
        assert 0 < sum(held_out(views)) < views and not held_out(views)[0]


def test_nerfstudio_finds_every_split(folder: Path) -> None:
    meta = json.loads((folder / "transforms.json").read_text())
    names = {frame["file_path"] for frame in meta["frames"]}
    train, val, test = (set(meta[f"{split}_filenames"]) for split in SPLITS)
    assert train | test == names and not train & test and val == test
    assert len(names) == VIEWS * TIMES and len(test) == TIMES
    for frame in meta["frames"]:
        assert "mask_path" not in frame, "a trainer would leave out the empty pixels and learn floaters"
        assert all((folder / frame[key]).is_file() for key in ("file_path", "depth_file_path", "normal_file_path"))
    assert {frame["time"] for frame in meta["frames"]} == {0.0, 0.5, 1.0}


def test_d_nerfs_form(folder: Path) -> None:
    """Their readers put .png behind file_path, take camera_angle_x, and a time that starts at 0 and ends at 1."""
    n_images = 0
    for split in SPLITS:
        meta = json.loads((folder / f"transforms_{split}.json").read_text())
        for frame in meta["frames"]:
            image = np.array(Image.open(folder / (frame["file_path"] + ".png")))
            assert image.shape == (40, 40, 4) and np.array(frame["transform_matrix"]).shape == (4, 4)
            n_images += split != "val"
        assert meta["camera_angle_x"] == pytest.approx(np.radians(40.0))
    assert n_images == VIEWS * TIMES


def test_points_lie_on_the_surface_with_its_colours(folder: Path, balls) -> None:
    head, _, body = (folder / "points.ply").read_bytes().partition(b"end_header\n")
    colours = ("red", "green", "blue", "alpha")
    kinds = [(n, "<f4") for n in ("x", "y", "z", "nx", "ny", "nz")] + [(n, "u1") for n in colours]
    rows = np.frombuffer(body, kinds)
    assert f"element vertex {len(rows)}" in head.decode() and len(rows) > 500
    points = np.stack([rows[n] for n in "xyz"], 1)
    away = points[:, None] - balls.centres(torch.zeros(1))[0].numpy()
    off = np.abs(np.linalg.norm(away, axis=2) - np.array([0.25, 0.2]))
    assert np.median(off.min(1)) < 0.01
    colour = np.stack([rows[n] for n in ("red", "green", "blue")], 1) / 255
    expected = np.array([[0.9, 0.2, 0.1], [0.1, 0.6, 0.2]])[off.argmin(1)]
    assert np.abs(colour - expected).mean() < 0.01


def test_a_looped_scene_is_not_rendered_twice_at_one_time(swinging, tmp_path: Path) -> None:
    export_capture(swinging, tmp_path / "c", CaptureOptions(2, 4, (16, 16)))
    meta = json.loads((tmp_path / "c" / "transforms.json").read_text())
    assert [frame["time"] for frame in meta["frames"]][:4] == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_refusals(balls, nothing, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="every image is empty"):
        export_capture(nothing, tmp_path / "c", CaptureOptions(2, 1, (16, 16)))
    assert not list(tmp_path.iterdir())
    for wrong in ({"n_views": 1}, {"n_times": 0}, {"size": (4, 4)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            CaptureOptions(**wrong)
