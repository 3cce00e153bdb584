"""The pose that conditions Zero123, against its own formula on two camera centres."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from tests.fakes import FunctionField


def spherical(x: float, y: float, z: float) -> tuple[float, float, float]:
    """Zero123's cartesian_to_spherical, z up: polar angle from the top, azimuth, distance."""
    level = math.hypot(x, y)
    return math.atan2(level, z), math.atan2(y, x), math.hypot(level, z)


@pytest.mark.parametrize("to", [(0.0, 0.0, 1.8), (20.0, 60.0, 1.8), (-30.0, -135.0, 2.2), (70.0, 179.0, 1.2)])
@pytest.mark.parametrize("start", [(0.0, 0.0, 1.8), (25.0, -40.0, 1.5)])
def test_it_is_the_published_difference_of_the_two_centres(
    pack_module: Callable[[str], ModuleType], start: tuple, to: tuple
) -> None:
    cameras, view = pack_module("a124core.cameras.rig"), pack_module("nodes.host.view")
    make = pack_module("a124core.protocols").Cameras
    pair = [make(*(torch.tensor([v]) for v in (*angles, 40.0))) for angles in (to, start)]
    centres = []
    for camera in pair:
        x, y, z = cameras.camera_to_world(camera)[0, :3, 3].tolist()
        centres.append(spherical(x, -z, y))  # turned, not mirrored, until z is up
    (polar, azimuth, distance), (polar0, azimuth0, distance0) = centres
    turn = (azimuth - azimuth0) % (2 * math.pi)
    expected = torch.tensor([[polar - polar0, math.sin(turn), math.cos(turn), distance - distance0]])
    assert torch.allclose(view.pose_vector(*pair, "zero123"), expected, atol=1e-5)
    expected[0, 3] = math.radians(90.0 - start[0])
    assert torch.allclose(view.pose_vector(*pair, "stable-zero123"), expected, atol=1e-5)


@pytest.mark.parametrize("turn", [35.0, -50.0, 130.0])
def test_a_rendered_arrow_turns_as_the_pose_says(pack_module: Callable[[str], ModuleType], turn: float) -> None:
    """An arrow points to the right of the reference image. The image position and depth of its tip from the new camera
    give the angle that the camera turned, which must be the pose's."""
    cameras, view = pack_module("a124core.cameras.rig"), pack_module("nodes.host.view")
    reach = 0.5
    tip, tail = (rendered_ball(pack_module, at, turn) for at in (reach, -reach))
    sine, cosine = (tail[1] - tip[1]) / (2 * reach), (tip[0] - tail[0]) / (2 * reach)
    pair = cameras.make_cameras(0.0, turn), cameras.make_cameras(0.0, 0.0)
    pose = view.pose_vector(*pair, "zero123")[0]
    assert pose[1:3].tolist() == pytest.approx([sine, cosine], abs=0.03)


def rendered_ball(pack_module: Callable[[str], ModuleType], x: float, azimuth: float) -> tuple[float, float]:
    """Return where a camera renders a small ball at (x, 0, 0): to the right, and in depth; world units."""
    cameras, render = pack_module("a124core.cameras.rig"), pack_module("a124core.render.clip")

    def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        near = (xyz - torch.tensor([x, 0.0, 0.0])).norm(dim=1) < 0.15
        return 300.0 * near.float(), torch.zeros_like(xyz)

    size = 64
    camera = cameras.make_cameras(0.0, azimuth)
    clip = render.render_clip(FunctionField(ball), camera, torch.zeros(1), render.ImageOptions(size, normals=False))
    mask = clip.mask[0, 0]
    column = ((torch.arange(size) + 0.5) / size * 2 - 1)[None]
    front = float((clip.depth[0, 0] * mask).sum() / mask.sum())
    depth = front + 0.1  # two thirds of its radius
    return float((mask * column).sum() / mask.sum()) * math.tan(math.radians(cameras.FOVY / 2)) * depth, depth
