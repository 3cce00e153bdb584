"""From renders to a network's latents: at the size that it was trained at, one image after the other."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

MAX_SIDE = 4096  # pixels that a network gets


def check_image_size(size: int, factor: int = 8) -> None:
    """Refuse a side in pixels that a network cannot get: no multiple of what its VAE reduces by, or out of bounds."""
    if size % factor or not factor <= size <= MAX_SIDE:
        raise ValueError(f"size is {size}: this model needs a multiple of {factor} pixels, at most {MAX_SIDE}.")


def resize_images(image: Tensor, size: int) -> Tensor:  # (B, C, H, W) -> (B, C, size, size)
    """Resize bilinearly, as released; smoothed first where an image gets smaller."""
    if tuple(image.shape[-2:]) == (size, size):
        return image
    smaller = image.shape[-1] > size
    return functional.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=smaller)


def checkpointed_encode(image: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encode every item, with the gradient of encode, and in memory never more than one item's graph.

    The backward pass encodes each item again, now with a graph. Exact: items do not mix."""
    options = {"use_reentrant": False, "preserve_rng_state": False}  # encode draws nothing
    return torch.cat([checkpoint(encode, item, **options) for item in image.split(1)])
