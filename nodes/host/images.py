"""IMAGE and MASK to core tensors and back.

Host: IMAGE (B, H, W, 3 or 4), MASK (B, H, W). Core: (B, C, H, W). All in [0, 1].
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from torch import Tensor


def from_images(images: Tensor) -> tuple[Tensor, Tensor | None]:
    """IMAGE -> (B, 3, H, W) and its alpha (B, 1, H, W), if it has one. Always copies."""
    images = images.detach().to("cpu", torch.float32, copy=True)
    if images.shape[-1] == 1:
        images = images.expand(-1, -1, -1, 3)
    planes = rearrange(images, "b h w c -> b c h w").contiguous()
    return planes[:, :3], planes[:, 3:4] if planes.shape[1] == 4 else None


def from_masks(masks: Tensor) -> Tensor:
    """MASK, or a single (H, W), -> (B, 1, H, W). Always copies."""
    planes = masks.detach().to("cpu", torch.float32, copy=True)
    return planes.reshape(-1, 1, *planes.shape[-2:])


def to_image(image: Tensor) -> Tensor:
    """(F, 3, H, W) or (F, 1, H, W) -> IMAGE."""
    return rearrange(image.expand(-1, 3, -1, -1), "f c h w -> f h w c").contiguous().float().cpu()


def to_mask(mask: Tensor) -> Tensor:
    """(F, 1, H, W) -> MASK, 1 where the mask is 1."""
    return mask[:, 0].contiguous().float().cpu()


def to_depth_image(depth: Tensor, mask: Tensor) -> Tensor:  # (F, 1, H, W) in [0, 1]
    """z-depth (F, 1, H, W) -> near is bright, scaled over the whole clip; the background is black."""
    inside = mask > 0.5
    if not inside.any():
        return torch.zeros_like(depth)
    near, far = depth[inside].min(), depth[inside].max()
    brightness = 1.0 - 0.8 * (depth - near) / (far - near).clamp(min=1e-6)  # the farthest keeps 0.2, off the black
    return brightness.clamp(0.0, 1.0) * mask


def to_preview_image(images: Tensor, side: int = 256) -> Any:
    """(N, 3, H, W) -> one PIL image, side by side, each scaled to the given height."""
    from PIL import Image

    row = rearrange(images.detach().float().cpu().clamp(0, 1), "n c h w -> h (n w) c")
    image = Image.fromarray((row * 255).round().to(torch.uint8).numpy())
    return image.resize((side * images.shape[0], side), Image.Resampling.BICUBIC)
