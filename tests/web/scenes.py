"""Two small scenes in closed form, and our renderer's pictures of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.render.clip import ImageOptions, render_clip
from tests.fakes import FunctionField, with_occupancy

# Centre, radius, colour. Nothing is symmetric, so that a mirrored picture cannot pass for the right one.
BALLS = (
    ((0.0, -0.3, 0.0), 0.30, (0.9, 0.85, 0.7)),
    ((0.05, 0.15, 0.0), 0.20, (0.3, 0.5, 0.9)),
    ((0.08, 0.18, 0.18), 0.07, (0.9, 0.4, 0.1)),
    ((-0.32, -0.15, 0.05), 0.09, (0.8, 0.1, 0.2)),  # the hand
)
NEAR_RED, FAR_BLUE = (-0.2, 0.1, 0.4), (0.25, -0.1, -0.5)
EDGE = 0.012  # world units over which a ball fades out: about what a trained field does
DENSITY = 120.0


def _figure(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """A figure that leans over and waves."""
    sway = 0.25 * torch.sin(math.pi * time) * (xyz[:, 1] + 0.6)
    moved = xyz - torch.stack((sway, torch.zeros_like(sway), torch.zeros_like(sway)), dim=1)
    density, colour = xyz.new_zeros(len(xyz)), torch.zeros_like(xyz)
    for k, (centre, radius, paint) in enumerate(BALLS):
        middle = xyz.new_tensor(centre).expand_as(xyz)
        if k == 3:
            middle = middle + torch.stack((-0.05 * time, 0.3 * time, 0.1 * time), dim=1)
        ball = DENSITY * torch.sigmoid((radius - (moved - middle).norm(dim=1)) / EDGE)
        colour = torch.where((ball > density)[:, None], xyz.new_tensor(paint), colour)
        density = torch.maximum(density, ball)
    return density, colour


def _two_balls(xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """A red one near the reference camera, a blue one far from it; nothing moves."""
    red = (xyz - xyz.new_tensor(NEAR_RED)).norm(dim=1)
    blue = (xyz - xyz.new_tensor(FAR_BLUE)).norm(dim=1)
    density = DENSITY * torch.sigmoid((0.12 - torch.minimum(red, blue)) / EDGE)
    return density, torch.where((red < blue)[:, None], xyz.new_tensor((1.0, 0.0, 0.0)), xyz.new_tensor((0.0, 0.0, 1.0)))


figure, two_balls = (with_occupancy(FunctionField(f), 32, 4, 2) for f in (_figure, _two_balls))


def rendered(elevation: float, azimuth: float, radius: float, time: float, size: int) -> Tensor:  # (3, size, size)
    """Our renderer's own picture of the figure."""
    cameras = make_cameras([elevation], [azimuth], radius)
    return render_clip(figure, cameras, torch.tensor([time]), ImageOptions(size, normals=False)).image[0]


def psnr(a: Tensor, b: Tensor) -> float:
    """Decibels, of pictures in [0, 1]."""
    return float(-10.0 * torch.log10((a - b).square().mean().clamp_min(1e-12)))
