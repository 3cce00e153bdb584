"""The folder as others read it: nerfstudio's rules typed out, points on their pixels, two views that agree."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from a124core.cameras.paths import Orbit
from a124core.cameras.stereo import Stereo
from a124core.export.images.capture import CaptureOptions, export_capture
from a124core.export.images.film import FilmOptions
from a124core.export.images.frames import DEPTH_UNIT, depth_steps, export_frames

SIZE = (60, 80)


def as_nerfstudio_reads(folder: Path) -> list[dict]:
    """What its dataparser does with transforms.json: frames in the order of their names, intrinsics from the top or
    from each frame, OpenGL matrices, depth times depth_unit_scale_factor (0.001 where nothing else is said)."""
    meta = json.loads((folder / "transforms.json").read_text())
    assert meta["camera_model"] == "OPENCV" and meta["k1"] == meta["k2"] == meta["p1"] == meta["p2"] == 0.0
    read = []
    for frame in sorted(meta["frames"], key=lambda f: folder / f["file_path"]):
        lens = {key: (meta if key in meta else frame)[key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
        images = {key: np.array(Image.open(folder / frame[key])) for key in frame if key.endswith("path")}
        assert all(p.shape[:2] == (lens["h"], lens["w"]) for p in images.values())
        assert "mask_path" not in frame, "to nerfstudio, pixels to leave out"
        images["mask"] = np.array(Image.open(folder / "masks" / Path(frame["file_path"]).name))
        depth = images["depth_file_path"].astype(np.float64) * 0.001
        c2w = np.array(frame["transform_matrix"])
        assert np.allclose(c2w[:3, :3] @ c2w[:3, :3].T, np.eye(3), atol=1e-5) and np.linalg.det(c2w[:3, :3]) > 0
        read.append({**lens, **images, "depth": depth, "c2w": c2w, "time": frame["time"]})
    return read


def project(frame: dict, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (N, 3) -> pixels (N, 2), z (N,)
    """An OpenGL camera: x right, y up, looking along -z. Pixels count from the corner of the first one."""
    local = (points - frame["c2w"][:3, 3]) @ frame["c2w"][:3, :3]
    z = -local[:, 2]
    u, v = frame["cx"] + frame["fl_x"] * local[:, 0] / z, frame["cy"] - frame["fl_y"] * local[:, 1] / z
    return np.stack([u, v], axis=1), z


def unproject(frame: dict) -> tuple[np.ndarray, np.ndarray]:  # points (N, 3), pixel (N, 2) as row, column
    rows, columns = np.nonzero(frame["depth"])
    z = frame["depth"][rows, columns]
    x = (columns + 0.5 - frame["cx"]) / frame["fl_x"] * z
    y = (frame["cy"] - rows - 0.5) / frame["fl_y"] * z
    return np.stack([x, y, -z], axis=1) @ frame["c2w"][:3, :3].T + frame["c2w"][:3, 3], np.stack([rows, columns], 1)


@pytest.fixture(scope="module")
def folder(balls, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("made") / "set"
    export_frames(balls, made, Orbit(elevation=20.0, turns=0.1), FilmOptions(frames=4, size=SIZE))
    return made


def test_a_known_point_lies_on_its_pixel(folder: Path, balls) -> None:
    frames = as_nerfstudio_reads(folder)
    assert [f["time"] for f in frames] == pytest.approx([0.0, 1 / 3, 2 / 3, 1.0])
    for frame in frames:
        centres = balls.centres(torch.tensor([frame["time"]]))[0].double().numpy()
        green = frame["file_path"][..., 1] > frame["file_path"][..., 0]
        for k, own in ((0, ~green), (1, green)):
            rows, columns = np.nonzero(own & (frame["file_path"][..., 3] > 128))
            middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            pixel, z = project(frame, centres[k : k + 1])
            axis = np.array([frame["cx"], frame["cy"]])
            stretch = z**2 / (z**2 - (0.25, 0.2)[k] ** 2)  # the middle of a ball's outline lies farther from the axis
            assert np.abs(axis + stretch * (pixel[0] - axis) - middle).max() < 0.3


def test_depth_of_two_views_meets_in_space(folder: Path) -> None:
    first, second, *_ = as_nerfstudio_reads(folder)
    points, _ = unproject(first)
    still = points[:, 0] < -0.1  # the green ball, which does not move
    pixels, z = project(second, points[still])
    column, row = np.floor(pixels).astype(int).T
    other = second["depth"][row, column]
    visible = (other > 0) & (z < other + 0.08)  # the rest has gone behind the ball's own edge
    assert visible.mean() > 0.7 and np.median(np.abs(z - other)[visible]) < 0.01


def test_alpha_mask_depth_and_normals_agree_on_where_nothing_is(folder: Path, balls) -> None:
    for frame in as_nerfstudio_reads(folder):
        image, mask = frame["file_path"], frame["mask"]
        assert image.dtype == np.uint8 and image.shape[2] == 4 and frame["depth_file_path"].dtype == np.uint16
        assert np.abs(image[..., 3].astype(int) - mask).max() <= 1
        assert ((frame["depth"] > 0) == (mask >= 128)).mean() > 0.999
        assert (frame["normal_file_path"][frame["depth"] == 0] == 128).all()
        points, at = unproject(frame)
        centres = balls.centres(torch.tensor([frame["time"]]))[0].double().numpy()
        away = points[:, None] - centres
        distance = np.abs(np.linalg.norm(away, axis=2) - np.array([0.25, 0.2]))
        assert np.median(distance.min(1)) < 0.01
        outwards = away[np.arange(len(points)), distance.argmin(1)]
        normal = frame["normal_file_path"][at[:, 0], at[:, 1]] / 127.5 - 1.0
        cosine = (normal * outwards).sum(1) / np.linalg.norm(outwards, axis=1)
        assert np.median(cosine) > 0.97


def test_depth_steps() -> None:
    depth = torch.tensor([0.0, 1.8, 65.535, 70.0]).view(1, 1, 2, 2)
    assert depth_steps(depth).ravel().tolist() == [0, 1800, 65535, 0] and DEPTH_UNIT == 0.001


def test_earlier_frames_stay_until_the_new_ones_are_complete(balls, tmp_path: Path) -> None:
    made = tmp_path / "set"
    export_frames(balls, made, Orbit(), FilmOptions(frames=2, size=(16, 16)))
    before = {p: p.read_bytes() for p in made.rglob("*.*")}

    def cancel(done: int, *_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_frames(balls, made, Orbit(), FilmOptions(frames=3, size=(16, 16)), cancel)
    assert {p: p.read_bytes() for p in made.rglob("*.*")} == before and [p.name for p in tmp_path.iterdir()] == ["set"]
    export_frames(balls, made, Orbit(), FilmOptions(frames=1, size=(16, 16)))
    assert len(list((made / "images").iterdir())) == 1 and [p.name for p in tmp_path.iterdir()] == ["set"]
    for mine in (made / "notes.txt", made / "images" / "holiday.png", made / "images" / "0000.xmp"):
        mine.write_text("mine")
        with pytest.raises(ValueError, match=mine.name):
            export_frames(balls, made, Orbit(), FilmOptions(frames=1, size=(16, 16)))
        mine.unlink()

    def put(done: int, *_: object) -> None:
        (made / "images" / "late.png").write_text("mine")

    with pytest.raises(ValueError, match="late.png"):
        export_frames(balls, made, Orbit(), FilmOptions(frames=1, size=(16, 16)), put)


def test_a_data_set_of_the_user_is_never_replaced(balls, tmp_path: Path) -> None:
    """Its folders are called as ours, and its cameras may be what is asked for."""
    made = tmp_path / "data"
    export_frames(balls, made, Orbit(), FilmOptions(frames=1, size=(16, 16)))
    meta = json.loads((made / "transforms.json").read_text())
    del meta["generator"]
    (made / "transforms.json").write_text(json.dumps(meta))
    with pytest.raises(ValueError, match="not written by this program"):
        export_frames(balls, made, Orbit(), FilmOptions(frames=1, size=(16, 16)))
    with pytest.raises(ValueError, match="not written by this program"):
        export_capture(balls, made, CaptureOptions(2, 1, (16, 16)))
    assert (made / "images" / "0000.png").is_file() and [p.name for p in tmp_path.iterdir()] == ["data"]


def test_refusals(balls, nothing, tmp_path: Path) -> None:
    small = FilmOptions(frames=1, size=(16, 16))
    with pytest.raises(ValueError, match="every image is empty"):
        export_frames(nothing, tmp_path / "set", Orbit(), small)
    with pytest.raises(ValueError, match="two eyes"):
        export_frames(balls, tmp_path / "set", Stereo(Orbit()), small)
    with pytest.raises(ValueError, match="Windows keeps"):
        export_frames(balls, tmp_path / "nul", Orbit(), small)
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        export_frames(balls, tmp_path / "file", Orbit(), small)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
