"""IMAGE and MASK to core tensors and back.

Host: IMAGE (B, H, W, 3 or 4), MASK (B, H, W). Core: (B, C, H, W). All in [0, 1].
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor


def from_image(image: Tensor) -> tuple[Tensor, Tensor | None]:
    """First picture of an IMAGE -> (1, 3, H, W) and its alpha (1, 1, H, W), if it brings one. Always copies."""
    first = image[:1].detach().to("cpu", torch.float32).clone()
    if first.shape[-1] == 1:
        first = first.expand(-1, -1, -1, 3)
    planes = rearrange(first, "b h w c -> b c h w").contiguous()
    return planes[:, :3], planes[:, 3:4] if planes.shape[1] == 4 else None


def from_mask(mask: Tensor) -> Tensor:
    """First MASK -> (1, 1, H, W); a single (H, W) is taken too. Always copies."""
    planes = mask.detach().to("cpu", torch.float32).clone()
    return planes.reshape(-1, 1, *planes.shape[-2:])[:1]


def to_image(image: Tensor) -> Tensor:
    """(F, 3, H, W) or (F, 1, H, W) -> IMAGE."""
    return rearrange(image.expand(-1, 3, -1, -1), "f c h w -> f h w c").contiguous().float().cpu()


def to_mask(mask: Tensor) -> Tensor:
    """(F, 1, H, W) -> MASK, 1 where the mask is 1."""
    return mask[:, 0].contiguous().float().cpu()


def near_is_bright(depth: Tensor, mask: Tensor) -> Tensor:  # (F, 1, H, W) in [0, 1]
    """Map z-depth (F, 1, H, W) to a depth image, scaled over the whole clip, black where nothing is."""
    inside = mask > 0.5
    if not inside.any():
        return torch.zeros_like(depth)
    near, far = depth[inside].min(), depth[inside].max()
    bright = 1.0 - 0.8 * (depth - near) / (far - near).clamp(min=1e-6)  # the farthest part keeps 0.2, off the black
    return bright.clamp(0.0, 1.0) * mask


def to_preview_image(images: Tensor, side: int = 256) -> Any:
    """(N, 3, H, W) side by side as one PIL picture, each scaled to the given height."""
    from PIL import Image

    row = rearrange(images.detach().float().cpu().clamp(0, 1), "n c h w -> h (n w) c")
    picture = Image.fromarray((row * 255).round().to(torch.uint8).numpy())
    return picture.resize((side * images.shape[0], side), Image.Resampling.BICUBIC)
