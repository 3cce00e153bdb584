"""Cameras of any pose as cameras that look at the origin: their images are turned by a homography, which is exact."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from ..protocols import Cameras, Pinholes
from .homography import sampling_grid
from .rig import focal_length, make_cameras

MIN_RADIUS = 1e-3  # world units; nearer to the origin a camera cannot look at it
FOVY_STEP = 0.01  # degrees; less is no other frame
SAME = 1e-4  # largest entry of a homography less the identity, in image heights, that turns no image


def at_rest(pinholes: Pinholes) -> Pinholes:
    """Return one camera where all are the same."""
    same = all(torch.allclose(v, v[:1].expand_as(v), atol=SAME) for v in (pinholes.c2w, pinholes.fovy, pinholes.centre))
    return pinholes[:1] if same else pinholes


def square_pinholes(pinholes: Pinholes, size: tuple[int, int]) -> Pinholes:
    """Return the cameras of images (H, W) padded to a square of the longer side."""
    scale = max(size) / size[0]  # of the image's height
    fovy = torch.rad2deg(2.0 * torch.atan(scale * torch.tan(torch.deg2rad(pinholes.fovy) / 2.0)))
    return replace(pinholes, fovy=fovy if scale != 1.0 else pinholes.fovy, centre=pinholes.centre / scale)


def centre_cameras(pinholes: Pinholes, framing: Cameras) -> Cameras:  # F cameras
    """Return the cameras at the same places, upright, that look at the origin, no wider than the one camera `framing`
    frames the scene: ValueError where one does not see the origin."""
    if pinholes.eyes != 1:
        raise ValueError("images of two eyes side by side have no one camera: set the eyes' distance to 0.")
    position = pinholes.c2w[:, 0, :3, 3]
    radius = position.norm(dim=1)
    if (radius < MIN_RADIUS).any():
        raise ValueError("a camera stands in the middle of the scene: move it away, 1.8 is usual.")
    elevation = torch.rad2deg(torch.asin((position[:, 1] / radius).clamp(-1.0, 1.0)))
    azimuth = torch.rad2deg(torch.atan2(position[:, 0], position[:, 2]))
    _check_sees_origin(pinholes, radius)
    half_height = framing.radius * torch.tan(torch.deg2rad(framing.fovy) / 2.0)
    fovy = torch.rad2deg(2.0 * torch.atan(half_height / radius))
    return make_cameras(elevation, azimuth, radius, torch.where(pinholes.fovy < fovy + FOVY_STEP, pinholes.fovy, fovy))


def _check_sees_origin(pinholes: Pinholes, radius: Tensor) -> None:
    """Refuse a camera whose image does not show the middle of the scene."""
    right, up, back, position = pinholes.c2w[:, 0, :3].unbind(-1)
    depth = (back * position).sum(-1)  # of the origin, in front of the camera
    place = torch.stack([-(axis * position).sum(-1) / depth.clamp_min(1e-9) for axis in (right, up)], -1)
    place = place * focal_length(pinholes.fovy, 1)[:, None] + pinholes.centre[:, 0]  # in the image, its heights
    unseen = (depth <= 0) | (place.abs() > 0.5).any(1)
    if unseen.any():
        k = int(torch.nonzero(unseen)[0, 0])
        raise ValueError(
            f"camera {k + 1} of the clip does not see the middle of the scene: turn it there, or give its position in "
            "units of the scene, whose subject is about 1 high around the origin."
        )


def turn_image(square: Tensor, homography: Tensor) -> Tensor:  # (1, C, S, S), (3, 3) -> (1, C, S, S)
    """Show a square image as the centred camera sees it; zero where it shows nothing; itself where nothing turns."""
    homography = homography / homography[2, 2]
    if bool(((homography - torch.eye(3)).abs() < SAME).all()):
        return square
    grid = sampling_grid(homography, square.shape[-1])
    return grid_sample(square, grid[None].to(square), padding_mode="zeros", align_corners=False)
