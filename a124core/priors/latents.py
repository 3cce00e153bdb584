"""A function of pictures, one after the other: memory of one picture's graph, gradient of all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def checkpointed_encode(image: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """encode of every item, with the gradient of encode, and in memory never more than one item's graph."""
    return _ByParts.apply(image, encode)


class _ByParts(torch.autograd.Function):
    """Forward without a graph; backward encodes each item again, now with one. Exact: items do not know each other."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(image)
        ctx.encode = encode
        with torch.no_grad():
            return torch.cat([encode(part) for part in image.split(1)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (image,) = ctx.saved_tensors
        found = []
        for part, pull in zip(image.split(1), gradient.split(1), strict=True):
            leaf = part.detach().requires_grad_(True)
            with torch.enable_grad():
                latents = ctx.encode(leaf)
            found.append(torch.autograd.grad(latents, leaf, pull)[0])
        return torch.cat(found), None
