"""Read the frames of a clip: a film, an animated picture, or a folder of pictures in the order of their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageSequence
from torch import Tensor

from ..utils.files import in_order
from ..utils.optional import require
from ..utils.silence import silenced_stderr
from ..utils.text import first_line
from ..utils.validate import readable_file
from .decode_image import FORMATS, MAX_PIXELS, decode_image

ADVICE = "give a film (MP4, WebM, MOV, ...), an animated GIF, PNG or WebP, or a folder of frames"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".apng", ".tga")
MAX_FRAMES = 300
SIDE = 512  # pixels of the longer side after reading; priors compare at 16 to 256
MAX_BYTES = 2**32  # of a file


def read_clip(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """Read frames (N, 3, H, W) in [0, 1] and their alpha (N, 1, H, W), None where all is opaque."""
    path = Path(path)
    if path.is_dir():
        images = (decode_image(file)[0] for file in folder_files(path))
    elif path.suffix.lower() in SUFFIXES:
        images = _animation_images(readable_file(path, ADVICE, MAX_BYTES))
    else:
        images = _film_images(readable_file(path, ADVICE, MAX_BYTES))
    frames: list[np.ndarray] = []
    with silenced_stderr():
        for image in images:
            if len(frames) == MAX_FRAMES:
                raise ValueError(f"{path} has more than {MAX_FRAMES} frames: cut it or leave frames out.")
            frames.append(_reduced(image))
            if frames[-1].shape != frames[0].shape:
                raise ValueError(f"{path}: frame {len(frames)} has another size than the first: make all of one size.")
    if len(frames) < 2:
        raise ValueError(f"{path} has {len(frames)} frame(s): {ADVICE} of 2 or more.")
    values = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    alpha = values[:, 3:].float() / 255.0 if bool((values[:, 3:] < 255).any()) else None
    return values[:, :3].float() / 255.0, alpha


def _reduced(image: Image.Image) -> np.ndarray:  # (H, W, 4) uint8
    """Return a frame of at most SIDE a side."""
    image = image.convert("RGBA")
    scale = SIDE / max(image.size)
    if scale < 1.0:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image)


def folder_files(folder: Path) -> list[Path]:
    """Return the pictures of a folder in the order of their names."""
    return in_order(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)


def _animation_images(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=FORMATS) as animation:
            _check_size(path, animation.size)
            yield from (frame.convert("RGBA") for frame in ImageSequence.Iterator(animation))
    except ValueError:
        raise
    except Exception as error:  # decoders raise whatever the bytes lead them to
        raise ValueError(f"{path} is damaged or incomplete ({first_line(error)}): {ADVICE}.") from None


def _film_images(path: Path) -> Iterator[Image.Image]:
    """Decode a film; VP9 with its alpha, which ffmpeg's own decoder drops."""
    av = require("av", "av", "to read films")
    try:
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            _check_size(path, (stream.codec_context.width, stream.codec_context.height))
            if stream.codec_context.name == "vp9" and stream.metadata.get("alpha_mode") == "1":
                decoder = av.CodecContext.create("libvpx-vp9", "r")
                packets = (packet if packet.size else None for packet in film.demux(stream))
                frames = (frame for packet in packets for frame in decoder.decode(packet))
            else:
                frames = film.decode(stream)
            yield from (Image.fromarray(frame.to_ndarray(format="rgba")) for frame in frames)
    except ValueError as error:
        if isinstance(error, av.FFmpegError):
            raise ValueError(f"{path} is no film that can be read ({first_line(error)}): {ADVICE}.") from None
        raise
    except (IndexError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is no film that can be read ({first_line(error)}): {ADVICE}.") from None


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise ValueError(f"{path} is {size[0]}x{size[1]}, too many pixels: reduce it to 2048 a side.")
