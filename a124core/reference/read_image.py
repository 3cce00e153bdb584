"""Picture files to tensors: everything a camera, a phone or a paint program writes, converted, and said so."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

FLAT = 0.05  # a mask whose values differ by less than this marks nothing
LARGEST = 2048  # longer side after reading, pixels; the reference itself works at half of it
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I", "F")
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I", "F")  # more than 8 bits


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None, str]:
    """-> image (1, 3, H, W) in [0, 1], alpha (1, 1, H, W) or None, what was converted ("": nothing)."""
    picture, notes = _open(path, "picture")
    if picture.mode in DEEP_MODES:
        grey = _deep(picture, path)
        return grey.expand(-1, 3, -1, -1).clone(), None, "; ".join(notes)
    has_alpha = picture.mode in ALPHA_MODES or "transparency" in picture.info
    values = _tensor(picture.convert("RGBA" if has_alpha else "RGB"))
    return values[:, :3], values[:, 3:] if has_alpha else None, "; ".join(notes)


def read_mask(path: str | Path) -> tuple[Tensor, str]:
    """-> mask (1, 1, H, W) in [0, 1], note. A picture with transparency gives its opacity, any other its brightness."""
    image, alpha, note = read_image(path)
    mask = image.mean(dim=1, keepdim=True)
    if alpha is not None and alpha.min() < 0.99:
        mask, note = alpha, _join(note, "the mask was read from the file's transparency")
    if mask.max() - mask.min() < FLAT:
        raise ValueError(
            f"the mask {path} is {'full' if mask.max() > 0.5 else 'empty'}, it has one value everywhere: mark the "
            "subject and leave its surroundings unmarked, or leave --mask out."
        )
    return mask, note


def read_depth(path: str | Path) -> tuple[Tensor, str]:
    """-> depth (1, 1, H, W) in [0, 1], near = bright, note. 16 bits are kept."""
    image, _, note = read_image(path)
    return image.mean(dim=1, keepdim=True), note


def _join(*parts: str) -> str:
    return "; ".join(p for p in parts if p)


def _open(path: str | Path, name: str) -> tuple[Image.Image, list[str]]:
    """The first frame, upright, decoded completely, at most LARGEST a side."""
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{name} {path} was not found: check the path.")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: give a {name} file (PNG, JPEG, WebP, ...).")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures are expected here and get reduced
            return _decoded(Image.open(path))
    except UnidentifiedImageError:
        raise ValueError(f"{path} is not a picture that can be read: save it as PNG or JPEG.") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{path} has more than 170 million pixels: reduce it to {LARGEST} a side.") from None
    except PermissionError:
        raise ValueError(f"{path} may not be read: check the file's permissions.") from None
    except (OSError, SyntaxError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is damaged or incomplete ({error}): save or download it again.") from None


def _decoded(picture: Image.Image) -> tuple[Image.Image, list[str]]:
    notes = _conversions(picture)
    upright = ImageOps.exif_transpose(picture)
    upright.load()
    if upright.size != picture.size or picture.getexif().get(0x0112, 1) != 1:
        notes.append("turned upright (EXIF)")
    if max(upright.size) <= LARGEST or upright.mode in DEEP_MODES:
        return upright, notes
    scale = LARGEST / max(upright.size)
    size = (max(1, round(upright.width * scale)), max(1, round(upright.height * scale)))
    notes.append(f"reduced from {upright.width}x{upright.height} to {size[0]}x{size[1]} pixels")
    mode = "RGBA" if upright.mode in ALPHA_MODES or "transparency" in upright.info else "RGB"
    return upright.convert(mode).resize(size, Image.Resampling.BOX, reducing_gap=2.0), notes


def _conversions(picture: Image.Image) -> list[str]:
    """What reading changes, in words."""
    notes = []
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        picture.seek(0)
        notes.append(f"the first of {frames} frames was taken")
    if picture.mode in DEEP_MODES or "16" in str(picture.tile[:1]).rsplit(",", 1)[-1]:
        notes.append("read from 16-bit values")
    if picture.mode in GREY_MODES:
        notes.append("grey converted to colour")
    elif picture.mode not in ("RGB", "RGBA"):
        notes.append(f"{'palette' if picture.mode in ('P', 'PA') else picture.mode} converted to RGB")
    return notes


def _deep(picture: Image.Image, path: str | Path) -> Tensor:  # (1, 1, H, W)
    """16-bit and float greys. Floats up to 1 are taken as they are; integers are shares of 65535."""
    values = torch.from_numpy(np.array(picture, dtype=np.float32))[None, None]
    if not values.isfinite().all():
        raise ValueError(f"{path} contains NaN or infinite values: save it as PNG.")
    full = 65535.0 if picture.mode != "F" else max(1.0, float(values.max()))
    values = (values / full).clamp(0.0, 1.0)
    longest = max(values.shape[-2:])
    if longest <= LARGEST:
        return values
    size = [max(1, round(s * LARGEST / longest)) for s in values.shape[-2:]]
    return torch.nn.functional.interpolate(values, size=size, mode="area")


def _tensor(picture: Image.Image) -> Tensor:  # (1, C, H, W) in [0, 1]
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255.0
