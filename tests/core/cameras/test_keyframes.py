"""Paths through keyframes, and every notation of a camera."""

from __future__ import annotations

import json
import math

import pytest
import torch

from a124core.cameras.keyframes import KeyframePath, even_times, path_from_keys, pinholes_from_matrices
from a124core.cameras.parse_camera import parse_camera
from a124core.cameras.paths import Spline
from a124core.cameras.rig import camera_to_world, make_cameras

KEYS = [
    {"when": 0.0, "position": [0, 0, 1.8], "fov": 40},
    {"when": 0.4, "position": {"x": 1.5, "y": 0.5, "z": 1.0}, "target": [0, 0.2, 0], "fov": 30},
    {"when": 1.0, "position": [0, 2, -1], "target": [0.1, 0, 0], "fov": 50},
]


def test_points_give_the_matrix_that_angles_give() -> None:
    for elevation, azimuth in ((0.0, 0.0), (30.0, 100.0), (-50.0, -170.0)):
        expected = camera_to_world(make_cameras(elevation, azimuth))[0]
        c2w, _ = parse_camera({"position": expected[:3, 3].tolist()})
        torch.testing.assert_close(c2w, expected, atol=1e-5, rtol=0)
    top, _ = parse_camera({"position": [0, 2, 0]})
    assert torch.linalg.det(top[:3, :3]) == pytest.approx(1.0) and top[:3, 2].tolist() == [0, 1, 0]


def test_the_hosts_camera() -> None:
    """LOAD3D_CAMERA: three.js's quaternion, here a turn of 90 degrees about y (the camera on +x looks along -x)."""
    half = math.sqrt(0.5)
    info = {"position": {"x": 2, "y": 0, "z": 0}, "target": {"x": 0, "y": 0, "z": 0}, "zoom": 1, "fov": 35,
            "cameraType": "perspective"}
    turned = {**info, "quaternion": {"x": 0, "y": half, "z": 0, "w": half}}
    plain, fovy = parse_camera(info)
    exact, _ = parse_camera(turned)
    assert fovy == 35 and torch.allclose(plain, exact, atol=1e-6)
    _, near = parse_camera({**info, "zoom": 2})
    assert math.tan(math.radians(near / 2)) == pytest.approx(math.tan(math.radians(35 / 2)) / 2)
    with pytest.raises(ValueError, match="orthographic: switch it to perspective"):
        parse_camera({**info, "cameraType": "orthographic"})
    with pytest.raises(ValueError, match="zoom"):
        parse_camera({**info, "zoom": 0})
    rolled, _ = parse_camera({**info, "quaternion": [0.5, 0.5, 0.5, 0.5]})
    assert torch.allclose(rolled[:3, 2], torch.tensor([1.0, 0.0, 0.0]), atol=1e-6), "rolled about its axis"
    assert not torch.allclose(rolled[:3, :3], exact[:3, :3], atol=0.1)


def test_a_path_meets_its_keys_and_stays_a_camera_between_them() -> None:
    path = path_from_keys({"keys": KEYS})
    assert isinstance(path, KeyframePath) and not path.fixed_times
    cameras, times = path(11)
    for at, key in ((0, 0), (4, 1), (10, 2)):
        torch.testing.assert_close(cameras.c2w[at, 0], parse_camera(KEYS[key])[0], atol=1e-5, rtol=0)
        assert float(cameras.fovy[at]) == pytest.approx(KEYS[key]["fov"], abs=1e-4)
    turns = cameras.c2w[:, 0, :3, :3]
    torch.testing.assert_close(turns @ turns.mT, torch.eye(3).expand(11, 3, 3), atol=1e-5, rtol=0)
    assert (torch.linalg.det(turns) > 0.99).all()
    steps = (cameras.c2w[1:, 0, :3, 3] - cameras.c2w[:-1, 0, :3, 3]).norm(dim=1)
    assert steps.max() < 3 * steps.median(), "no jump"
    assert torch.allclose(times, torch.linspace(0, 1, 11))


def test_a_single_key_is_a_camera_at_rest_and_given_times_are_kept() -> None:
    cameras, _ = path_from_keys(KEYS[:1])(3)
    assert len(cameras) == 3 and torch.equal(cameras.c2w[0], cameras.c2w[2])
    timed = path_from_keys([{**key, "time": 0.5 * k} for k, key in enumerate(KEYS)])
    assert timed.fixed_times and timed(11)[1][[0, 4, 10]].tolist() == pytest.approx([0.0, 0.5, 1.0])


def test_angles_stay_angles() -> None:
    path = path_from_keys([{"azimuth": 0}, {"azimuth": 720, "elevation": 20, "radius": 2}])
    assert isinstance(path, Spline)
    assert path(3)[0].azimuth.tolist() == [0.0, 360.0, 720.0] and float(path(2)[0].radius[1]) == 2.0


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("[]", "no keys"),
        ('{"keys": 3}', "no keys"),
        ('[{"position": [0, 0]}]', "3 numbers"),
        ('[{"position": [0, 0, "x"]}]', "3 numbers"),
        ('[{"position": [0, 0, 0]}]', "own target"),
        ('[{"position": [0, 0, 1], "fov": 0}]', "field of view"),
        ('[{"position": [0, 0, 1], "fov": "wide"}]', "write a number"),
        ('[{"position": [0, 0, 1], "quaternion": [0, 0, 0, 0]}]', "quaternion is zero"),
        ('[{"position": [0, 0, 1]}, {"azimuth": 3}]', "one form"),
        ('[{"position": [0, 0, 1], "time": 0}, {"position": [0, 1, 1]}]', "all of them"),
        ('[{"position": [0, 0, 1], "when": 0.5}, {"position": [0, 1, 1], "when": 0.5}]', "different values of 'when'"),
        ('[{"position": [0, 0, 1], "time": 3}]', "0 .. 1"),
        ('[{"transform_matrix": [1, 2]}]', "4 x 4"),
        ('[{"transform_matrix": [[2,0,0,0],[0,2,0,0],[0,0,2,1],[0,0,0,1]]}]', "no rotation"),
        ('[{"transform_matrix": [[-1,0,0,0],[0,1,0,0],[0,0,1,1],[0,0,0,1]]}]', "no rotation"),
    ],
)
def test_refusals_say_what_to_do(keys: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        path_from_keys(json.loads(keys))
    assert "\n" not in str(refused.value)


def test_even_times_are_those_of_a_film_of_that_length() -> None:
    keys = pinholes_from_matrices([parse_camera(KEYS[k % 3])[0] for k in range(7)], [40.0] * 7)
    assert torch.equal(KeyframePath(keys, even_times(7))(7)[0].c2w[:, 0, :3, 3], keys.c2w[:, 0, :3, 3])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ('[{"azimuth": 0, "when": 0.5}, {"azimuth": 9, "when": 0.5}]', "different values of 'when'"),
        ('[{"azimuth": 0, "when": -1}, {"azimuth": 9}]', "outside 0 .. 1"),
        ('[{"azimuth": 0}, {"azimuth": 1e39}]', "write a number"), ('[{"azimuth": 0}, {"azimuth": NaN}]', "number"),
        ('[{"position": "abc"}]', "3 numbers"), ('[{"position": [0, 0, 1], "cameraType": {}}]', "perspective"),
        ("[" + '{"azimuth": 1},' * 10_000 + '{"azimuth": 2}]', "at most 10000"),
    ],
)
def test_numbers_that_no_camera_has_are_refused(keys: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        path_from_keys(json.loads(keys))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300
