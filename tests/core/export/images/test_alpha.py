"""Colours that are not multiplied by alpha; depth and normals against the balls' own."""

from __future__ import annotations

import torch

from a124core.cameras.rig import make_cameras, pixel_rays
from a124core.export.images.alpha import surface_depth, surface_normal, unpremultiply
from a124core.render.clip import PREVIEW_SAMPLES, ImageOptions, render_clip
from a124core.render.sample import DIAGONAL

STEP = DIAGONAL / PREVIEW_SAMPLES


def test_straight_colour_comes_back_over_any_background() -> None:
    alpha = torch.zeros(1, 1, 40, 40)
    alpha[:, :, 10:20, 10:20], alpha[:, :, 20, 10:20] = 1.0, 0.25
    colour = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1)
    image = unpremultiply(colour * alpha, alpha)
    assert torch.allclose(image[:, 3:], alpha)
    assert torch.allclose(image[0, :3, 10:21, 10:20], colour[0].expand(3, 11, 10), atol=1e-5)
    assert torch.allclose(image[0, :3, 8:23, 8:22], colour[0].expand(3, 15, 14), atol=1e-4), "no dark edge outside"
    assert (image[0, :3, 38, 38] == 1.0).all(), "far away it is white"


def test_depth_and_normals_are_the_balls_own(balls) -> None:
    cameras = make_cameras([0.0, 25.0], [0.0, 70.0])
    clip = render_clip(balls, cameras, torch.tensor([0.0, 0.0]), ImageOptions(48, background=(0.0, 0.0, 0.0)))
    depth, normal = surface_depth(clip), surface_normal(clip)
    origins, directions = pixel_rays(cameras, (48, 48))
    points = origins + depth.reshape(2, -1, 1) * directions
    centres = balls.centres(torch.zeros(1))[0]
    away = (points[:, :, None] - centres).norm(dim=-1) - torch.tensor([0.25, 0.2])
    solid = (clip.mask > 0.999).reshape(2, -1)
    error = away.abs().min(-1).values[solid]
    assert solid.sum() > 300 and error.quantile(0.9) < STEP and error.mean() < STEP / 2
    assert not depth[clip.mask < 0.5].any() and not normal.permute(0, 2, 3, 1)[clip.mask[:, 0] < 0.5].any()
    outwards = points[:, :, None] - centres
    outwards = outwards[torch.arange(2)[:, None], torch.arange(48 * 48), away.abs().argmin(-1)]
    outwards = outwards / outwards.norm(dim=-1, keepdim=True)
    agree = (outwards * normal.permute(0, 2, 3, 1).reshape(2, -1, 3)).sum(-1)
    assert agree[solid].quantile(0.1) > 0.98
