"""How well a picture agrees with a low-resolution condition, as a log weight."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import interpolate

LUMINANCE = (0.299, 0.587, 0.114)
CLEAR = 0.25  # distance from the background (RGB, largest channel) at which a pixel surely belongs to the object


def agreement(
    condition: Tensor,  # (B, 3, H, W) in [0, 1]
    pictures: Tensor,  # (K, B, 3, h, w) in [0, 1]
    background: Tensor,  # (3,)
    grid: int,
    std: float,
    colour_std: float,
) -> Tensor:  # (K, B)
    """-sum |difference|^2 / (2 std^2) over a grid x grid picture: luminance and silhouette at std, colour apart."""
    a = features(_shrunk(condition, grid), background)
    b = features(_shrunk(pictures.flatten(0, 1), grid), background).unflatten(0, pictures.shape[:2])
    spread = a.new_tensor([std, std, colour_std, colour_std, colour_std]).view(5, 1, 1)
    return -(((a - b) / spread).square()).flatten(2).sum(2) / 2


def features(image: Tensor, background: Tensor) -> Tensor:
    """(B, 3, h, w) -> (B, 5, h, w): luminance, silhouette, and colour without luminance."""
    weights = image.new_tensor(LUMINANCE).view(3, 1, 1)
    luminance = (image * weights).sum(1, keepdim=True)
    away = (image - background.view(3, 1, 1)).abs().amax(1, keepdim=True)
    return torch.cat((luminance, (away / CLEAR).clamp_max(1), image - luminance), 1)


def _shrunk(image: Tensor, grid: int) -> Tensor:
    return interpolate(image, (grid, grid), mode="area")
