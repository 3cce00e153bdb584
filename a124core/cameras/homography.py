"""Images of one place as cameras with another turn and lens see them: a homography, which is exact."""

from __future__ import annotations

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from .rig import camera_to_world, focal_length

IN_FRONT = 1e-6  # smallest third coordinate, in focal lengths of the image that is looked up, before a camera


def turning_homographies(pinholes: Pinholes, turned: Cameras) -> Tensor:  # (F, 3, 3)
    """Return what takes points (x, y, 1) of the turned cameras' images to those of the cameras, of one eye, at the same
    places: right and up of the middle, in image heights."""
    turn = pinholes.c2w[:, 0, :3, :3].transpose(1, 2) @ camera_to_world(turned)[:, :3, :3]
    flip = torch.diag(torch.tensor([1.0, 1.0, -1.0]))  # the camera looks along -z
    return _lens(pinholes.fovy, pinholes.centre[:, 0]) @ flip @ turn @ flip @ torch.linalg.inv(_lens(turned.fovy))


def _lens(fovy: Tensor, centre: Tensor | None = None) -> Tensor:  # (F, 3, 3)
    """Return the matrices from directions (right, up, forward) to points of the image."""
    matrix = torch.eye(3).repeat(len(fovy), 1, 1)
    matrix[:, 0, 0] = matrix[:, 1, 1] = focal_length(fovy, 1)
    if centre is not None:
        matrix[:, :2, 2] = centre
    return matrix


def sampling_grid(homography: Tensor, side: int, aspect: float = 1.0) -> Tensor:  # (side, side, 2)
    """Return where the pixels of a square image lie in an image of the given width / height, as torch's grid_sample
    counts; what is behind the camera lies outside."""
    axis = (torch.arange(side) + 0.5) / side - 0.5
    up, right = torch.meshgrid(-axis, axis, indexing="ij")
    points = torch.stack((right, up, torch.ones_like(up)), -1) @ homography.T
    grid = 2.0 * points[..., :2] / points[..., 2:].clamp_min(IN_FRONT)
    grid[..., 1] = -grid[..., 1]
    if aspect != 1.0:
        grid[..., 0] = grid[..., 0] / aspect
    grid[points[..., 2] <= IN_FRONT] = 2.0 + 2.0 * max(1.0, aspect)
    return grid
