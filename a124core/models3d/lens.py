"""Cameras as the rasterising kernels take them."""

from __future__ import annotations

import torch
from torch import Tensor

from ..cameras.rig import focal_length, to_pinholes
from ..protocols import Cameras, Pinholes


def axes_and_lens(cameras: Cameras | Pinholes, height: int) -> tuple[Tensor, Tensor]:
    """Return camera-to-world matrices (B, 4, 4) and lenses (B, 3): focal length and centre, in pixels."""
    pinholes = to_pinholes(cameras)
    if pinholes.eyes != 1:
        raise ValueError("models are rendered for one eye at a time: set the eyes' distance to 0.")
    focal = focal_length(pinholes.fovy, height)
    return pinholes.c2w[:, 0], torch.cat((focal[:, None], pinholes.centre[:, 0] * height), 1)


def project(points: Tensor, c2w: Tensor, lens: Tensor, height: int) -> tuple[Tensor, Tensor]:  # (P, 3) -> (P, 2), (P,)
    """Return where one camera sees points of the world, x right and y down in pixels of a square image, and their
    depths."""
    right, up, back = ((points - c2w[:3, 3]) @ c2w[:3, :3]).unbind(1)
    x, y = height / 2 + lens[1] - lens[0] * right / back, height / 2 - lens[2] + lens[0] * up / back
    return torch.stack((x, y), 1), -back


def image_places(points: Tensor, camera: Cameras) -> tuple[Tensor, Tensor]:  # (N, 3), 1 camera -> (N, 2), (N,)
    """Return where a camera sees points, x right and y down in shares of the image's side, and their depths."""
    c2w, lens = (v[0].to(points) for v in axes_and_lens(camera, 1))
    return project(points, c2w, lens, 1)
