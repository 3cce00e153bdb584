"""Read image files as tensors: whatever a camera, a phone or a paint program writes, with notes of conversions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .decode_image import DEEP_MODES, LARGEST, decode_image
from .segment import is_flat


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None, str]:
    """Read image (1, 3, H, W) in [0, 1], alpha (1, 1, H, W) or None, and a note of conversions ("": none)."""
    image, notes = decode_image(path)
    if image.mode in DEEP_MODES:
        return _deep(image, path).expand(-1, 3, -1, -1).clone(), None, "; ".join(notes)
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255.0
    return values[:, :3], values[:, 3:] if image.mode == "RGBA" else None, "; ".join(notes)


def read_mask(path: str | Path) -> tuple[Tensor, str]:
    """Read a mask (1, 1, H, W) in [0, 1], and a note: opacity of an image with transparency, else brightness."""
    image, alpha, note = read_image(path)
    mask = image.mean(dim=1, keepdim=True)
    if alpha is not None and alpha.min() < 0.99:
        mask, note = alpha, "; ".join(filter(None, (note, "the mask was read from the file's transparency")))
    if is_flat(mask):
        raise ValueError(
            f"the mask {path} is {'full' if mask.max() > 0.5 else 'empty'}, it has one value everywhere: mark the "
            "subject and leave its surroundings unmarked, or leave --mask out."
        )
    return mask, note


def read_depth(path: str | Path) -> tuple[Tensor, str]:
    """Read depth (1, 1, H, W) in [0, 1], near = bright, and a note; 16 bits are preserved."""
    image, _, note = read_image(path)
    return image.mean(dim=1, keepdim=True), note


def _deep(image: Image.Image, path: str | Path) -> Tensor:  # (1, 1, H, W)
    """Read 16-bit and float greys: floats up to 1 as they are, integers as shares of 65535."""
    values = torch.from_numpy(np.array(image, dtype=np.float32))[None, None]
    if not values.isfinite().all():
        raise ValueError(f"{path} contains NaN or infinite values: save it as PNG.")
    white = 65535.0 if image.mode != "F" else max(1.0, float(values.max()))
    values = values.div_(white).clamp_(0.0, 1.0)
    longest = max(values.shape[-2:])
    if longest <= LARGEST:
        return values
    size = [max(1, round(s * LARGEST / longest)) for s in values.shape[-2:]]
    return torch.nn.functional.interpolate(values, size=size, mode="area")
