"""The splat against rays that meet balls exactly, and against holes."""

import math

import pytest
import torch

from a124core.cameras.rig import make_cameras, pixel_rays
from a124core.priors.builtin.splat import spacing_for, splat
from a124core.priors.builtin.surfaces import ball

CAMERAS = make_cameras([0.0, 30.0, -20.0, 75.0], [0.0, 50.0, 190.0, -70.0])


def cloud(*balls, size):
    """Points, normals (B, 3, N) and one colour per ball; each ball is (centre, radius)."""
    parts = [ball(c, (r, r, r)).sample(spacing_for(size, 1.8, 40.0)) for c, r in balls]
    points, normals = (torch.cat([p[i] for p in parts]).T.expand(len(CAMERAS), -1, -1) for i in (0, 1))
    colours = torch.cat([torch.eye(3)[k].expand(len(p[0]), 3) for k, p in enumerate(parts)])
    return points, normals, colours


def first_ball(balls, size):
    """(K + 1, B, size, size): which ball each ray meets first; the last row is none."""
    origins, directions = pixel_rays(CAMERAS, (size, size))
    depth = torch.full((len(balls) + 1, *origins.shape[:2]), math.inf)
    depth[-1] = 1e9
    for k, (centre, radius) in enumerate(balls):
        o = origins - torch.tensor(centre)
        a, b, c = (directions**2).sum(-1), (o * directions).sum(-1), (o**2).sum(-1) - radius**2
        root = b**2 - a * c
        depth[k] = torch.where(root > 0, (-b - root.clamp_min(0).sqrt()) / a, math.inf)
    winner = depth.argmin(0)
    return torch.stack([winner == k for k in range(len(balls) + 1)]).view(-1, len(CAMERAS), size, size)


@pytest.mark.parametrize("size", [32, 48, 96])
def test_a_ball_has_its_outline_and_no_hole(size):
    balls = [((0.05, -0.08, 0.1), 0.4)]
    _, alpha = splat(*cloud(*balls, size=size), CAMERAS, size)
    exact = first_ball(balls, 4 * size)[0].float()
    exact = torch.nn.functional.avg_pool2d(exact[:, None], 4)
    inner = -torch.nn.functional.max_pool2d(-exact, 3, 1, 1)
    assert (alpha[inner == 1] == 1).all()
    assert (alpha[torch.nn.functional.max_pool2d(exact, 3, 1, 1) == 0] == 0).all()
    assert torch.minimum(alpha, exact).sum() / torch.maximum(alpha, exact).sum() > 0.97
    assert abs(float(alpha.sum() / exact.sum()) - 1) < 0.02


def test_the_nearest_ball_wins():
    balls = [((0.1, 0.0, 0.3), 0.2), ((-0.1, 0.05, -0.2), 0.3), ((0.0, -0.2, 0.0), 0.25)]
    image, _ = splat(*cloud(*balls, size=96), CAMERAS, 96)
    exact = torch.nn.functional.avg_pool2d(first_ball(balls, 96 * 4)[:3].float().flatten(0, 1)[:, None], 4)
    exact = exact.view(3, len(CAMERAS), 96, 96).transpose(0, 1)
    assert (image - exact).abs().mean() < 0.004
    sure = -torch.nn.functional.max_pool2d(-exact, 3, 1, 1) == 1
    assert (image[sure] > 0.7).all() and image[sure].mean() > 0.99


def test_points_behind_the_camera_or_outside_the_picture_are_left_out():
    points = torch.tensor([[0.0, 0.0, 5.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).T[None]
    normals = torch.tensor([0.0, 0.0, 1.0])[:, None].expand(1, 3, 3)
    image, alpha = splat(points, normals, torch.eye(3), make_cameras(0.0, 0.0), 16)
    assert image[:, :2].sum() == 0 and torch.isfinite(alpha).all()
