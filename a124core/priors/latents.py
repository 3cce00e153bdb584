"""From renders to a network's latents: at the size that it was trained at, one image after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


def resize_images(image: Tensor, size: int) -> Tensor:  # (B, C, H, W) -> (B, C, size, size)
    """Resize bilinearly, as released; smoothed first where an image gets smaller."""
    if tuple(image.shape[-2:]) == (size, size):
        return image
    smaller = image.shape[-1] > size
    return functional.interpolate(image, (size, size), mode="bilinear", align_corners=False, antialias=smaller)


def checkpointed_encode(image: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Encode every item, with the gradient of encode, and in memory never more than one item's graph."""
    return _CheckpointedEncode.apply(image, encode)


class _CheckpointedEncode(torch.autograd.Function):
    """Forward without a graph; backward encodes each item again, now with one. Exact: items do not mix."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(image)
        ctx.encode = encode
        with torch.no_grad():
            return torch.cat([encode(part) for part in image.split(1)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (image,) = ctx.saved_tensors
        gradients = []
        for part, cotangent in zip(image.split(1), gradient.split(1), strict=True):
            leaf = part.detach().requires_grad_(True)
            with torch.enable_grad():
                latents = ctx.encode(leaf)
            gradients.append(torch.autograd.grad(latents, leaf, cotangent)[0])
        return torch.cat(gradients), None
