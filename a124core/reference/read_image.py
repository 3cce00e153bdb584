"""Read image files as tensors: whatever a camera, a phone or a paint program writes, with notes of conversions."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from .segment import is_flat

LARGEST = 2048  # longer side after reading, pixels; the reference itself works at half of it
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I", "F")
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I", "F")  # more than 8 bits


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None, str]:
    """Read image (1, 3, H, W) in [0, 1], alpha (1, 1, H, W) or None, and a note of conversions ("": none)."""
    image, notes = _open(Path(path))
    if image.mode in DEEP_MODES:
        return _deep(image, path).expand(-1, 3, -1, -1).clone(), None, "; ".join(notes)
    has_alpha = _has_alpha(image)
    pixels = np.array(image.convert("RGBA" if has_alpha else "RGB"))
    values = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0
    return values[:, :3], values[:, 3:] if has_alpha else None, "; ".join(notes)


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


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ALPHA_MODES or "transparency" in image.info


def _open(path: Path) -> tuple[Image.Image, list[str]]:
    """Open the first frame, upright, decoded completely, at most LARGEST a side, with notes of conversions."""
    if not path.exists():
        raise ValueError(f"image file {path} was not found: check the path.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give an image file (PNG, JPEG, WebP, ...).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large images are expected here and get reduced
            return _decoded(Image.open(path))
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not an image that can be read: save it as PNG or JPEG.") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path} has more than 170 million pixels: reduce it to {LARGEST} a side.") from None
    except PermissionError:
        raise ValueError(f"{path} may not be read: check the file's permissions.") from None
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged or incomplete ({error}): save or download it again.") from None


def _decoded(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Decode, turn upright and reduce an image, with notes."""
    notes = _conversions(image)
    upright = ImageOps.exif_transpose(image)
    upright.load()
    if upright.size != image.size or image.getexif().get(0x0112, 1) != 1:
        notes.append("turned upright (EXIF)")
    if max(upright.size) <= LARGEST or upright.mode in DEEP_MODES:
        return upright, notes
    scale = LARGEST / max(upright.size)
    size = (max(1, round(upright.width * scale)), max(1, round(upright.height * scale)))
    notes.append(f"reduced from {upright.width}x{upright.height} to {size[0]}x{size[1]} pixels")
    mode = "RGBA" if _has_alpha(upright) else "RGB"
    return upright.convert(mode).resize(size, Image.Resampling.BOX, reducing_gap=2.0), notes


def _conversions(image: Image.Image) -> list[str]:
    """Note what reading changes."""
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        image.seek(0)
        notes.append(f"the first of {frames} frames was taken")
    if image.mode in DEEP_MODES or "16" in str(image.tile[:1]).rsplit(",", 1)[-1]:
        notes.append("read from 16-bit values")
    if image.mode in GREY_MODES:
        notes.append("grey converted to colour")
    elif image.mode not in ("RGB", "RGBA"):
        notes.append(f"{'palette' if image.mode in ('P', 'PA') else image.mode} converted to RGB")
    return notes


def _deep(image: Image.Image, path: str | Path) -> Tensor:  # (1, 1, H, W)
    """Read 16-bit and float greys: floats up to 1 as they are, integers as shares of 65535."""
    values = torch.from_numpy(np.array(image, dtype=np.float32))[None, None]
    if not values.isfinite().all():
        raise ValueError(f"{path} contains NaN or infinite values: save it as PNG.")
    white = 65535.0 if image.mode != "F" else max(1.0, float(values.max()))
    values = (values / white).clamp(0.0, 1.0)
    longest = max(values.shape[-2:])
    if longest <= LARGEST:
        return values
    size = [max(1, round(s * LARGEST / longest)) for s in values.shape[-2:]]
    return torch.nn.functional.interpolate(values, size=size, mode="area")
