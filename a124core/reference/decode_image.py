"""Decode image files of others: a list of formats, sizes checked before memory is taken, every failure one sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from ..utils.silence import silenced_stderr
from ..utils.text import first_line
from ..utils.validate import readable_file

LARGEST = 2048  # longer side after reading, pixels; the reference itself works at half of it
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "AVIF")  # none that starts a program
MAX_BYTES = 512 * 2**20  # of a file: 64 million pixels of 8 bytes
MAX_PIXELS = 64 * 2**20  # of an image: 4 bytes each in memory, three times while it is converted
MAX_JPEG_PIXELS = 128 * 2**20  # of one that is reduced while it is decoded
MAX_ASPECT = 128  # longer by shorter side; what is left of the shorter one after reading is 16 pixels
MAX_JPEG_WORK = 2**30  # pixels times passes over a progressive JPEG; programs write some 10 passes
COUNTED_BYTES = 2**20  # an animation of more is not read to its end only to count its frames
DEEP_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")  # more than 8 bits
GREY_MODES = ("1", "L", "LA", "La", *DEEP_MODES)
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
ORIENTATION = 0x0112  # in EXIF
ADVICE = "give an image file (PNG, JPEG, WebP, ...)"


def decode_image(path: str | Path) -> tuple[Image.Image, list[str]]:
    """Return the first frame, upright, as RGB or RGBA of at most LARGEST a side, or deep; with notes of conversions."""
    path = readable_file(path, ADVICE, MAX_BYTES)
    try:
        with warnings.catch_warnings(), silenced_stderr():
            warnings.simplefilter("ignore")  # large images are expected here and get reduced
            with Image.open(path, formats=FORMATS) as image:
                fault = _size_fault(image, path)
                if not fault:
                    return _decoded(image, path.stat().st_size)
    except UnidentifiedImageError:
        fault = "is not an image that can be read: save it as PNG or JPEG"
    except Image.DecompressionBombError:
        fault = f"has more than 170 million pixels: reduce it to {LARGEST} a side"
    except Exception as error:  # decoders raise whatever the bytes lead them to
        fault = f"is damaged or incomplete ({first_line(error)}): save or download it again"
    raise ValueError(f"{path} {fault}.")


def _size_fault(image: Image.Image, path: Path) -> str:
    """Describe why an image is too large to be decoded; empty if it is not."""
    pixels, progressive = image.width * image.height, "progressive" in image.info
    shorter, longer = sorted(image.size)
    if longer > MAX_ASPECT * shorter and longer > LARGEST:
        return f"is {image.width}x{image.height} pixels, a strip that shows no subject: give an image of another shape"
    if progressive and path.read_bytes().count(b"\xff\xda") * pixels > MAX_JPEG_WORK:
        return "takes too many passes to decode: save it as PNG, or as JPEG without progressive passes"
    reducible = _is_jpeg(image) and not progressive and image.mode in ("L", "RGB")
    if pixels <= (MAX_JPEG_PIXELS if reducible else MAX_PIXELS):
        return ""
    return f"is {image.width}x{image.height}, too many pixels to be read: reduce it to {LARGEST} a side"


def _is_jpeg(image: Image.Image) -> bool:
    return image.format in ("JPEG", "MPO")


def _decoded(image: Image.Image, file_size: int) -> tuple[Image.Image, list[str]]:
    """Decode, turn upright and reduce an image, with notes."""
    notes = _conversions(image, file_size)
    width, height = image.size
    scale = LARGEST / max(image.size)
    if width * height > MAX_PIXELS:  # a JPEG then
        image.draft(image.mode, (max(1, int(width * scale)), max(1, int(height * scale))))
    image.load()
    if image.getexif().get(ORIENTATION, 1) != 1:
        drawn = image.size
        ImageOps.exif_transpose(image, in_place=True)
        width, height = (width, height) if image.size == drawn else (height, width)
        notes.append("turned upright (EXIF)")
    if image.mode in DEEP_MODES:
        return image.copy(), notes
    colours = image.convert("RGBA" if _has_alpha(image) else "RGB")
    if max(width, height) <= LARGEST:
        return colours, notes
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    notes.append(f"reduced from {width}x{height} to {size[0]}x{size[1]} pixels")
    return colours.resize(size, Image.Resampling.BOX, reducing_gap=2.0), notes


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ALPHA_MODES or "transparency" in image.info


def _conversions(image: Image.Image, file_size: int) -> list[str]:
    """Note what reading changes."""
    notes = []
    if getattr(image, "is_animated", False):
        counted = image.format not in ("GIF", "TIFF") or file_size <= COUNTED_BYTES
        frames = image.n_frames if counted else "several"
        image.seek(0)
        notes.append(f"the first of {frames} frames was taken")
    if image.mode in DEEP_MODES or "16" in str(image.tile[:1]).rsplit(",", 1)[-1]:
        notes.append("read from 16-bit values")
    if image.mode in GREY_MODES:
        notes.append("grey converted to colour")
    elif image.mode not in ("RGB", "RGBA"):
        notes.append(f"{'palette' if image.mode in ('P', 'PA') else image.mode} converted to RGB")
    return notes
