"""Layers of an image (1, C, H, W): resize, pad to a square, fill outwards, take the border."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

RING = 0.01  # width of the border that is compared, share of the shorter side


def resize(layer: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize by area average when it gets smaller, bilinearly when it gets larger."""
    if tuple(layer.shape[-2:]) == tuple(size):
        return layer
    if layer.shape[-2] >= size[0] and layer.shape[-1] >= size[1]:
        return functional.interpolate(layer, size=size, mode="area")
    return functional.interpolate(layer, size=size, mode="bilinear", align_corners=False)


def pad_to_square(layers: Tensor) -> Tensor:
    """Add zeros on both sides of the shorter axis; the subject stays in position and size."""
    height, width = layers.shape[-2:]
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    return functional.pad(layers, (left, side - width - left, top, side - height - top))


def fill_outwards(image: Tensor, known: Tensor) -> Tensor:  # (1, 3, H, W), (1, 1, H, W) in [0, 1] -> (1, 3, H, W)
    """Spread known colours into unknown pixels, so that no resizing mixes in the background.

    Push-pull: averages of known pixels on ever coarser levels fill the holes of the finer ones.
    """
    if min(image.shape[-2:]) < 2:
        return image
    weight = functional.avg_pool2d(known, 2, ceil_mode=True, count_include_pad=False)
    mean = functional.avg_pool2d(image * known, 2, ceil_mode=True, count_include_pad=False)
    coarse = fill_outwards(mean / weight.clamp(min=1e-6), (weight > 0).to(weight))
    coarse = functional.interpolate(coarse, size=image.shape[-2:], mode="bilinear", align_corners=False)
    return image * known + coarse * (1.0 - known)


def border_pixels(layer: Tensor) -> Tensor:  # (1, C, H, W) -> (C, N)
    """Return the pixels along the four sides."""
    width = max(1, round(RING * min(layer.shape[-2:])))
    inner = torch.zeros(layer.shape[-2:], dtype=torch.bool)
    inner[width:-width, width:-width] = True
    return layer[0][:, ~inner.to(layer.device)]
