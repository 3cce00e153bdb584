"""IMAGE and MASK to core tensors and back.

Host: IMAGE (B, H, W, 3 or 4), MASK (B, H, W). Core: (B, C, H, W). All in [0, 1].
"""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from ...a124core.reference.decode_image import MAX_PIXELS
from ...a124core.reference.segment import OPAQUE


def from_images(images: Tensor, most: int | None = None) -> tuple[Tensor, Tensor | None]:
    """IMAGE -> (B, 3, H, W) and its alpha (B, 1, H, W), if it has one; at most so many of them. Always copies."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or 0 in images.shape:
        raise ValueError(f"{_described(images)} came as IMAGE: wire images of (batch, height, width, 3 or 4).")
    _check_pixels(images.shape[1], images.shape[2])
    images = images[:most].detach().to("cpu", torch.float32, copy=True)
    if images.shape[-1] == 1:
        images = images.expand(-1, -1, -1, 3)
    planes = rearrange(images, "b h w c -> b c h w").contiguous()
    return planes[:, :3], planes[:, 3:4] if planes.shape[1] == 4 else None


def from_masks(masks: Tensor) -> Tensor:
    """MASK, or a single (H, W), -> (B, 1, H, W). Always copies."""
    if not isinstance(masks, Tensor) or masks.ndim not in (2, 3, 4) or 0 in masks.shape:
        raise ValueError(f"{_described(masks)} came as MASK: wire a mask of (batch, height, width).")
    _check_pixels(masks.shape[-2], masks.shape[-1])
    planes = masks.detach().to("cpu", torch.float32, copy=True)
    return planes.reshape(-1, 1, *planes.shape[-2:])


def marks_nothing(mask: Tensor, mask_marks: str) -> bool:
    """Return whether a MASK is all zeros, as Load Image gives it at any size for an image without transparency."""
    return mask_marks != "subject" and float(mask.max()) <= 1.0 - OPAQUE


def _check_pixels(height: int, width: int) -> None:
    """Refuse images of more pixels than the command line reads, before they are copied."""
    if height * width > MAX_PIXELS:
        raise ValueError(f"the image is {width}x{height}, too many pixels: reduce it to 2048 a side, with Scale Image.")


def _described(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{'a tensor' if value.numel() else 'an empty tensor'} of {tuple(value.shape)}"


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


def to_data_url(image: Any, height: int = 96) -> str:
    """Make a small JPEG of a PIL image, a few thousand bytes, that a page shows without asking for a file."""
    small = image.resize((max(1, round(image.width * height / image.height)), height))
    data = BytesIO()
    small.convert("RGB").save(data, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{b64encode(data.getvalue()).decode()}"


def to_preview_image(images: Tensor, side: int = 256) -> Any:
    """(N, 3, H, W) -> one PIL image, side by side, each scaled to the given height."""
    from PIL import Image

    row = rearrange(images.detach().float().cpu().clamp(0, 1), "n c h w -> h (n w) c")
    image = Image.fromarray((row * 255).round().to(torch.uint8).numpy())
    return image.resize((side * images.shape[0], side), Image.Resampling.BICUBIC)
