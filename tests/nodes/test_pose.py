"""The pose that Zero123 is told, against its own formula on two camera centres."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch


def spherical(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Zero123's cartesian_to_spherical, z up: polar angle from the top, azimuth, distance."""
    level = math.hypot(x, y)
    return math.atan2(level, z), math.atan2(y, x), math.hypot(level, z)


@pytest.mark.parametrize("to", [(0.0, 0.0, 1.8), (20.0, 60.0, 1.8), (-30.0, -135.0, 2.2), (70.0, 179.0, 1.2)])
@pytest.mark.parametrize("start", [(0.0, 0.0, 1.8), (25.0, -40.0, 1.5)])
def test_it_is_the_published_difference_of_the_two_centres(
    pack_module: Callable[[str], ModuleType], start: tuple, to: tuple
) -> None:
    cameras, view = pack_module("a124core.cameras"), pack_module("nodes.host_view")
    make = pack_module("a124core.protocols").Cameras
    pair = [make(*(torch.tensor([v]) for v in (*angles, 40.0))) for angles in (to, start)]
    found = []
    for camera in pair:
        x, y, z = cameras.camera_to_world(camera)[0, :3, 3].tolist()
        found.append(spherical(x, -z, y))  # turned, not mirrored, until z is up
    (polar, azimuth, distance), (polar0, azimuth0, distance0) = found
    turn = (azimuth - azimuth0) % (2 * math.pi)
    expected = torch.tensor([[polar - polar0, math.sin(turn), math.cos(turn), distance - distance0]])
    assert torch.allclose(view.pose_vector(*pair, "zero123"), expected, atol=1e-5)
    expected[0, 3] = math.radians(90.0 - start[0])
    assert torch.allclose(view.pose_vector(*pair, "stable-zero123"), expected, atol=1e-5)
