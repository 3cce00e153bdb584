"""Renders at the size that a network was trained at."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def resize_images(image: Tensor, size: int) -> Tensor:  # (B, C, H, W) -> (B, C, size, size)
    """Bilinear, as released; smoothed first where a picture gets smaller."""
    if tuple(image.shape[-2:]) == (size, size):
        return image
    smaller = image.shape[-1] > size
    return functional.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=smaller)
