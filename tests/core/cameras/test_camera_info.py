"""Our cameras as the host's: what its nodes read is the pose that we render."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.camera_info import to_camera_infos
from a124core.cameras.parse_camera import parse_camera
from a124core.cameras.paths import Orbit
from a124core.cameras.rig import camera_to_world, make_cameras
from a124core.cameras.stereo import Stereo

POSES = [(0, 0), (0, 180), (0, 90), (30, -135), (-89, 40), (90, 10), (12, 270)]


@pytest.mark.parametrize(("elevation", "azimuth"), POSES)
def test_a_camera_comes_back_as_it_was(elevation: float, azimuth: float) -> None:
    cameras = make_cameras(elevation, azimuth, 2.5, 35.0)
    (info,) = to_camera_infos(cameras)
    c2w, fovy = parse_camera(info)
    assert torch.allclose(c2w, camera_to_world(cameras)[0], atol=1e-5) and fovy == 35.0
    assert sum(value**2 for value in info["quaternion"].values()) == pytest.approx(1.0)
    assert list(info["target"].values()) == pytest.approx([0.0, 0.0, 0.0], abs=1e-5)


def test_two_eyes_become_the_point_between_them() -> None:
    cameras, _ = Stereo(Orbit(radius=2.0), 0.2)(3)
    infos = to_camera_infos(cameras)
    middle = camera_to_world(Orbit(radius=2.0)(3)[0])
    for info, c2w in zip(infos, middle, strict=True):
        assert list(info["position"].values()) == pytest.approx(c2w[:3, 3].tolist(), abs=1e-5)
