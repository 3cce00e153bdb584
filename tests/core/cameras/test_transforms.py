"""Cameras out and in again, and against a matrix typed out by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from a124core.cameras.keyframes import KeyframePath, even_times
from a124core.cameras.paths import StaticCamera
from a124core.cameras.rig import camera_to_world, make_cameras, pixel_rays, to_pinholes
from a124core.cameras.stereo import Stereo
from a124core.cameras.transforms import check_written_here, read_camera_file, write_transforms
from a124core.protocols import Pinholes

AHEAD = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]
ASIDE = [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 2], [0, 0, 0, 1]]


def read_transforms(path: Path) -> tuple[Pinholes, torch.Tensor]:  # F cameras, times (F,)
    keyframes = read_camera_file(path)
    return keyframes.keys, torch.tensor(keyframes.time or even_times(len(keyframes.keys)))


def test_round_trip(tmp_path: Path) -> None:
    radius, fovy = [1.8, 2.0, 1.0, 3.0], [40.0, 30.0, 60.0, 49.0]
    cameras = make_cameras([0.0, 30.0, -50.0, 80.0], [0.0, 100.0, -170.0, 45.0], radius, fovy)
    time = torch.tensor([0.0, 0.25, 0.5, 1.0])
    write_transforms(tmp_path / "t.json", cameras, time, (128, 128))
    back, times = read_transforms(tmp_path / "t.json")
    assert torch.equal(times, time)
    assert torch.allclose(back.c2w[:, 0], camera_to_world(cameras), atol=1e-5)
    assert torch.allclose(back.fovy, cameras.fovy, atol=1e-3) and not back.centre.any()


def test_any_camera_comes_back_with_its_rays(tmp_path: Path) -> None:
    """Not aimed at the origin, axis off the middle, wide images."""
    one = to_pinholes(make_cameras([0.0, 30.0], [0.0, 100.0], 2.0, 50.0))
    c2w = one.c2w.clone()
    c2w[:, 0, :3, 3] += torch.tensor([0.3, -0.2, 0.5])
    odd = Pinholes(c2w, one.fovy, torch.tensor([[[0.1, -0.05]], [[0.0, 0.2]]]))
    write_transforms(tmp_path / "t.json", odd, torch.zeros(2), (9, 16))
    back, _ = read_transforms(tmp_path / "t.json")
    for a, b in zip(pixel_rays(odd, (9, 16)), pixel_rays(back, (9, 16)), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_the_reference_camera_by_hand(tmp_path: Path) -> None:
    write_transforms(tmp_path / "t.json", make_cameras(0.0, 0.0), torch.zeros(1), (128, 128), {"file_path": ["a.png"]})
    meta = json.loads((tmp_path / "t.json").read_text())
    expected = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1.8], [0, 0, 0, 1]])
    assert torch.allclose(torch.tensor(meta["frames"][0]["transform_matrix"]), expected, atol=1e-6)
    assert meta["fl_x"] == meta["fl_y"] == pytest.approx(175.84, abs=0.01) and meta["cx"] == meta["cy"] == 64
    assert math.degrees(meta["camera_angle_x"]) == pytest.approx(40.0) and meta["frames"][0]["file_path"] == "a.png"


def test_intrinsics_that_differ_are_written_with_their_frames(tmp_path: Path) -> None:
    write_transforms(tmp_path / "t.json", make_cameras(0.0, 0.0, 1.8, [40.0, 50.0]), torch.zeros(2), (64, 64))
    meta = json.loads((tmp_path / "t.json").read_text())
    assert "fl_x" not in meta and meta["frames"][0]["fl_x"] > meta["frames"][1]["fl_x"]


def test_two_eyes_are_not_one_camera(tmp_path: Path) -> None:
    pair, time = Stereo(StaticCamera(), 0.1)(1)
    with pytest.raises(ValueError, match="two eyes"):
        write_transforms(tmp_path / "t.json", pair, time, (64, 64))


def _written(path: Path, matrix: object, **more: object) -> Path:
    path.write_text(json.dumps({"camera_angle_x": math.radians(40), "frames": [{"transform_matrix": matrix, **more}]}))
    return path


def test_blenders_form_without_times(tmp_path: Path) -> None:
    cameras, time = read_transforms(_written(tmp_path / "t.json", AHEAD))
    assert float(cameras.fovy) == pytest.approx(40) and cameras.c2w[0, 0, 2, 3] == 2 and time.tolist() == [0.0]
    wide, _ = read_transforms(_written(tmp_path / "t.json", AHEAD, w=200, h=100))
    assert math.tan(math.radians(float(wide.fovy) / 2)) == pytest.approx(math.tan(math.radians(20)) / 2)


def test_files_as_paths(tmp_path: Path) -> None:
    path = _written(tmp_path / "t.json", ASIDE, time=0.25)
    keyframes = read_camera_file(path)
    assert isinstance(keyframes, KeyframePath) and keyframes.fixed_times and keyframes(3)[1].tolist() == [0.25] * 3
    flat = [float(v) for row in ASIDE for v in row]
    path.write_text(json.dumps({"camera_path": [{"camera_to_world": flat, "fov": 60.0, "aspect": 1.5}] * 2, "fps": 24}))
    cameras, time = read_camera_file(path)(2)
    assert cameras.fovy.tolist() == [60.0] * 2 and time.tolist() == [0.0, 1.0] and cameras.c2w[0, 0, 0, 3] == 1
    path.write_text('{"keys": [{"azimuth": 0}, {"azimuth": 90}]}')
    assert read_camera_file(path)(2)[0].azimuth.tolist() == [0.0, 90.0]


def test_refusals(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    with pytest.raises(ValueError, match="not found"):
        read_transforms(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        read_transforms(path)
    for text, missing in (("{}", "keys"), ("[]", "keys"), ('{"frames": []}', "frames"), ('{"frames": [3]}', "frames")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"no {missing}"):
            read_transforms(path)
    path.write_text('{"camera_path": []}')
    with pytest.raises(ValueError, match="t.json: its camera_path is empty"):
        read_camera_file(path)
    for more, words in (
        ({"time": 7}, "time"),
        ({"k1": 0.1}, "distorted"),
        ({"fl_x": 100, "fl_y": 120, "h": 100, "w": 100}, "square pixels"),
    ):
        with pytest.raises(ValueError, match=words):
            read_transforms(_written(path, AHEAD, **more))
    with pytest.raises(ValueError, match="t.json.*transform_matrix"):
        read_camera_file(_written(path, [1, 2]))
    path.write_text(json.dumps({"frames": [{"transform_matrix": AHEAD}]}))
    with pytest.raises(ValueError, match="camera_angle_x"):
        read_transforms(path)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "'OPENCV_FISHEYE', no pinhole: undistort"),
        ({"camera_model": "EQUIRECTANGULAR"}, "no pinhole"), ({"camera_model": ["PINHOLE"]}, "no pinhole"),
        ({"is_fisheye": True}, "fisheye, no pinhole"), ({"k4": 0.2}, "distorted"), ({"k5": "x"}, "distorted"),
        ({"camera_angle_x": 4.0}, "below pi"), ({"camera_angle_x": "wide"}, "write a number"),
        ({"camera_angle_x": 10**400}, "write a number"), ({"w": 64, "h": -1}, "above 0"), ({"h": True}, "write a num"),
        ({"w": 64, "h": 64, "cx": 1e8}, "write pixels"), ({"fl_x": 0, "h": 4}, "above 0"), ({"time": "0"}, "number"),
    ],
)
def test_lenses_that_are_no_pinholes_are_refused(tmp_path: Path, more: dict, words: str) -> None:
    with pytest.raises(ValueError, match=f"t.json: .*{words}"):
        read_camera_file(_written(tmp_path / "t.json", AHEAD, **more))


def test_models_without_distortion_are_pinholes(tmp_path: Path) -> None:
    for model in ("OPENCV", "PINHOLE", "SIMPLE_RADIAL", None):
        path = _written(tmp_path / "t.json", AHEAD, camera_model=model, k1=0, w=64.0, h=64)
        assert len(read_camera_file(path).keys) == 1
    path = tmp_path / "view.json"
    keys = [{"camera_to_world": [v for row in AHEAD for v in row], "fov": 50}]
    path.write_text(json.dumps({"camera_type": "equirectangular", "camera_path": keys}))
    with pytest.raises(ValueError, match="camera_type is 'equirectangular'"):
        read_camera_file(path)


def test_a_byte_order_mark_and_a_transposed_matrix(tmp_path: Path) -> None:
    path = _written(tmp_path / "t.json", ASIDE)
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert float(read_camera_file(path).keys.c2w[0, 0, 0, 3]) == 1.0
    with pytest.raises(ValueError, match="last row"):
        read_camera_file(_written(path, [list(column) for column in zip(*ASIDE, strict=True)]))


def test_folders_with_garbage_are_not_ours(tmp_path: Path) -> None:
    for content in ("[1]", '{"generator": "ComfyUI-Animate124", "frames": ["a"]}', "{", "[" * 10**5):
        (tmp_path / "transforms.json").write_text(content)
        with pytest.raises(ValueError, match="was not written by this program"):
            check_written_here(tmp_path)
