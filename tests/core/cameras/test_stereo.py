"""Left and right images against each other and against depth, as a renderer makes them."""

from __future__ import annotations

import math

import pytest
import torch

from a124core.cameras.paths import Orbit, StaticCamera
from a124core.cameras.rig import make_cameras, pixel_rays, to_pinholes
from a124core.cameras.stereo import Stereo, two_eyes
from a124core.export.images.alpha import surface_depth
from a124core.protocols import Pinholes
from a124core.render.clip import ImageOptions, render_clip

SIZE, EYES = 96, 0.12


def test_rays_against_a_loop_over_eyes_and_pixels() -> None:
    cameras = two_eyes(make_cameras([10.0, -30.0], [25.0, 170.0], [1.8, 2.5], [40.0, 60.0]), EYES)
    height, width = 3, 5
    origins, directions = pixel_rays(cameras, (height, width))
    for b in range(2):
        focal = height / (2 * math.tan(math.radians(float(cameras.fovy[b])) / 2))
        for j in range(height):
            for eye in range(2):
                for i in range(width):
                    right, up = (height * float(v) for v in cameras.centre[b, eye])
                    local = [(i + 0.5 - width / 2 - right) / focal, (height / 2 - j - 0.5 - up) / focal, -1.0]
                    ray = (j * 2 + eye) * width + i
                    turn = cameras.c2w[b, eye, :3, :3]
                    torch.testing.assert_close(directions[b, ray], turn @ torch.tensor(local))
                    torch.testing.assert_close(origins[b, ray], cameras.c2w[b, eye, :3, 3])


def test_both_eyes_meet_at_the_middle_of_the_scene() -> None:
    cameras, _ = Stereo(Orbit(elevation=20.0), EYES)(3)
    origins, directions = pixel_rays(cameras, (3, 3))
    for eye in range(2):
        middle = directions.reshape(3, 3, 2, 3, 3)[:, 1, eye, 1]
        start = origins.reshape(3, 3, 2, 3, 3)[:, 1, eye, 1]
        assert (start + 1.8 * middle).abs().max() < 1e-6
    between = (cameras.c2w[:, 1, :3, 3] - cameras.c2w[:, 0, :3, 3]).norm(dim=1)
    assert torch.allclose(between, torch.full((3,), EYES), atol=1e-6)
    assert torch.equal(cameras.c2w[:, 0, :3, :3], cameras.c2w[:, 1, :3, :3]), "parallel, never turned inwards"


def test_a_pair_is_what_each_eye_renders_alone(balls) -> None:
    pair, time = Stereo(StaticCamera(10.0, 20.0), EYES)(2)
    together = render_clip(balls, pair, time, ImageOptions((24, 32), normals=False))
    assert together.image.shape == (2, 3, 24, 64) and together.depth.shape == (2, 1, 24, 64)
    for eye, part in ((0, slice(0, 32)), (1, slice(32, 64))):
        one = Pinholes(pair.c2w[:, eye : eye + 1], pair.fovy, pair.centre[:, eye : eye + 1])
        alone = render_clip(balls, one, time, ImageOptions((24, 32), normals=False))
        assert torch.allclose(alone.image, together.image[..., part], atol=1e-6)


def test_disparity_is_what_depth_says(balls) -> None:
    pair, time = Stereo(StaticCamera(15.0, 30.0), EYES)(1)
    clip = render_clip(balls, pair, time, ImageOptions(SIZE, normals=False))
    depth = surface_depth(clip)[0, 0]
    left, right = depth[:, :SIZE], depth[:, SIZE:]
    focal = SIZE / (2 * math.tan(math.radians(20.0)))
    row, column = left.nonzero(as_tuple=True)
    disparity = focal * EYES * (1.0 / left[row, column] - 1.0 / 1.8)  # left minus right, pixels
    assert disparity.max() > 1.0 and disparity.min() < -0.3, "parts in front of the screen, and behind it"
    there = (column + 0.5 - disparity).floor().long()
    agree = (right[row, there] - left[row, column]).abs() < 0.02
    assert agree.float().mean() > 0.93
    mirrored = right[row, (column + 0.5 + disparity).floor().long()]
    assert ((mirrored - left[row, column]).abs() < 0.02).float().mean() < agree.float().mean() - 0.02


def test_one_camera_is_one_eye() -> None:
    cameras = make_cameras([0.0, 40.0], 10.0)
    one = to_pinholes(cameras)
    assert one.eyes == 1 and len(one) == 2 and to_pinholes(one) is one
    for a, b in zip(pixel_rays(cameras, (4, 6)), pixel_rays(one, (4, 6)), strict=True):
        assert torch.equal(a, b)


def test_refusals() -> None:
    for distance in (0.0, -0.1, 2.0, float("nan")):
        with pytest.raises(ValueError, match="eyes' distance"):
            Stereo(StaticCamera(), distance)
    away = to_pinholes(make_cameras(0.0, 0.0))
    turned = Pinholes(away.c2w * torch.tensor([-1.0, 1.0, -1.0, 1.0]), away.fovy, away.centre)
    with pytest.raises(ValueError, match="turn it to the scene"):
        two_eyes(turned, 0.1)
