"""Camera paths: any number of frames, through their keys, and the angles of a camera given by two points."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.paths import (
    FixedTime,
    Orbit,
    Playback,
    Spline,
    StaticCamera,
    angles_towards,
    frame_times,
    read_keys,
    sample_path,
)
from a124core.cameras.rig import camera_to_world, make_cameras


def test_times_cover_the_scene() -> None:
    assert frame_times(1).tolist() == [0.0]
    assert torch.allclose(frame_times(5), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    with pytest.raises(ValueError, match="at least 1"):
        frame_times(0)


def test_a_still_camera_stands_while_time_passes() -> None:
    cameras, times = StaticCamera(10.0, 20.0)(4)
    assert cameras.azimuth.tolist() == [20.0] * 4 and cameras.elevation.tolist() == [10.0] * 4
    assert times[0] == 0 and times[-1] == 1


def test_an_orbit_goes_round_and_a_turntable_stops_time() -> None:
    cameras, times = Orbit(azimuth=10.0, turns=-0.5)(4)
    assert torch.allclose(cameras.azimuth, torch.tensor([10.0, -35.0, -80.0, -125.0]))
    assert times[-1] == 1
    assert FixedTime(Orbit(), 0.25)(3)[1].tolist() == [0.25] * 3


def test_a_spline_meets_its_keys_and_is_straight_between_two() -> None:
    keys = read_keys("0: 0 0 2\n0.5: 90, 20, 1.5  # seen from the side\n\n1: 0 0")
    cameras, _ = Spline(keys)(5)
    assert torch.allclose(cameras.azimuth[[0, 2, 4]], torch.tensor([0.0, 90.0, 0.0]))
    assert torch.allclose(cameras.elevation[[0, 2, 4]], torch.tensor([0.0, 20.0, 0.0]))
    assert torch.allclose(cameras.radius[[0, 2, 4]], torch.tensor([2.0, 1.5, 1.8]))
    line, _ = Spline(read_keys("0: 0 0\n1: 40 8"))(5)
    assert torch.allclose(line.azimuth, torch.tensor([0.0, 10.0, 20.0, 30.0, 40.0]))


def test_a_spline_has_no_kinks() -> None:
    keys = read_keys("0: 0 0\n0.3: 60 10\n0.6: 20 -10\n1: 90 0")
    azimuth = Spline(keys)(2001)[0].azimuth
    slope = azimuth.diff() * 2000
    assert slope.diff().abs().max() < 0.02 * slope.abs().max()


def test_outside_its_keys_a_spline_stands_still() -> None:
    azimuth = Spline(read_keys("0.4: 10 0\n0.6: 30 0"))(11)[0].azimuth
    assert torch.allclose(azimuth, torch.tensor([10.0] * 5 + [20.0] + [30.0] * 5))


BAD = ["", "0: 0 0", "0: 0 0\n0: 9 9", "0: 0 0\nhello", "0: 0 0\n1.5: 0 0", "0: 0 0\n1: nan 0"]


@pytest.mark.parametrize("text", BAD)
def test_bad_keys_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="spline"):
        read_keys(text)


def test_angles_of_two_points_are_those_of_the_rig() -> None:
    cameras = make_cameras([0.0, 30.0, -50.0], [0.0, 120.0, -75.0], 2.0)
    for k, pose in enumerate(camera_to_world(cameras)):
        position = tuple((pose[:3, 3] + 1.0).tolist())
        elevation, azimuth = angles_towards(position, (1.0, 1.0, 1.0))
        assert elevation == pytest.approx(float(cameras.elevation[k]), abs=1e-3)
        assert azimuth == pytest.approx(float(cameras.azimuth[k]), abs=1e-3)
    with pytest.raises(ValueError, match="own target"):
        angles_towards((1.0, 2.0, 3.0), (1.0, 2.0, 3.0))


def played(frames: int, loops: bool, **playback: object) -> list[float]:
    return [round(float(t), 4) for t in sample_path(StaticCamera(), frames, loops, Playback(**playback))[1]]


def test_a_scene_plays_once_again_in_a_circle_and_there_and_back() -> None:
    assert played(5, False) == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert played(6, False, repeats=2) == [0.0, 0.5, 1.0, 0.0, 0.5, 1.0]
    assert played(4, True) == [0.0, 0.25, 0.5, 0.75], "the last time is the first, and comes once"
    assert played(8, True, repeats=2) == [0.0, 0.25, 0.5, 0.75] * 2
    assert played(8, False, ping_pong=True) == [0.0, 0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25]
    assert played(8, False, ping_pong=True, repeats=2) == [0.0, 0.5, 1.0, 0.5] * 2
    assert played(1, False, repeats=3) == played(1, True, ping_pong=True) == [0.0]
    with pytest.raises(ValueError, match="at least once"):
        Playback(repeats=0)


def test_fixed_times_are_not_changed() -> None:
    for path in (FixedTime(Orbit(), 1.0), FixedTime(StaticCamera(), 1.0)):
        assert sample_path(path, 3, True, Playback(2, True))[1].tolist() == [1.0] * 3
    with pytest.raises(ValueError, match="0 to 1"):
        FixedTime(StaticCamera(), 1.5)
