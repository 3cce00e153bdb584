"""Frames to a film that plays anywhere: MP4, or WebM, GIF and WebP, which can be transparent. Written as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from ...utils.files import atomic_write

BT709 = {"colorspace": 1, "color_primaries": 1, "color_trc": 1, "color_range": 1}  # ITU-T H.273; range 1: 16 to 235
CODEC = "libx264"  # with yuv420p every browser and player shows it
SUFFIXES = (".mp4", ".gif", ".webp", ".webm")
MOST_FPS = 240.0
GIF_TICK = 0.01  # seconds; a GIF's clock. Pictures shorter than two ticks are slowed down by browsers
CUT = 0.5  # opacity at which a GIF's pixel is there: it knows no half-transparent ones


def write_video(
    path: str | Path,
    frames: Tensor,  # (F, 3 or 4, H, W) in [0, 1]
    fps: float,
) -> None:
    """The suffix chooses the format."""
    if frames.ndim != 4 or frames.shape[1] not in (3, 4) or frames.shape[0] == 0:
        raise ValueError(f"frames have shape {tuple(frames.shape)}: give (frames, 3, height, width).")
    write_film(path, iter(frames), fps)


def write_film(
    path: str | Path,
    frames: Iterator[Tensor],  # each (3, H, W), or (4, H, W) with straight alpha; in [0, 1]; one is held at a time
    fps: float,
) -> None:
    """A film of any length. MP4 and WebM sides are made even by repeating the last row or column."""
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"{path.name} ends in {path.suffix!r}: use one of {', '.join(SUFFIXES)}.")
    if not 0 < fps <= MOST_FPS:
        raise ValueError(f"fps is {fps}: it must be above 0 and at most {MOST_FPS:g}.")
    if path.suffix.lower() == ".gif" and fps > 0.5 / GIF_TICK:
        raise ValueError(f"fps is {fps:g}: a GIF shows at most {0.5 / GIF_TICK:g} pictures a second, take WebP or MP4.")
    with atomic_write(path) as temporary:
        write(temporary, frames, fps)


def to_bytes(frames: Tensor) -> np.ndarray:  # (F, C, H, W) in [0, 1] -> (F, H, W, C) uint8
    """Rounded, never min-max stretched: that would shift the colours (release)."""
    levels = (frames.detach().cpu().float().clamp(0.0, 1.0) * 255.0).round().byte()
    return np.ascontiguousarray(rearrange(levels, "f c h w -> f h w c").numpy())


def _even(frame: Tensor) -> Tensor:  # (C, H, W)
    """yuv420p halves its colour planes, so both sides must be even."""
    height, width = frame.shape[-2:]
    return pad(frame[None], (0, width % 2, 0, height % 2), mode="replicate")[0]


def _write_mp4(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    _write_stream(path, frames, fps, CODEC, "yuv420p", {"crf": "18", "preset": "medium"})


def _write_webm(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    """VP9; with alpha in a second stream, which browsers, OBS and editors that know WebM read."""
    frames = iter(frames)
    first = next(frames)
    pixels = "yuva420p" if first.shape[0] == 4 else "yuv420p"
    options = {"crf": "18", "b": "0", "cpu-used": "4", "auto-alt-ref": "0"}  # alternate frames cannot carry alpha
    _write_stream(path, chain([first], frames), fps, "libvpx-vp9", pixels, options)


def _write_stream(
    path: Path, frames: Iterable[Tensor], fps: float, codec: str, pixels: str, options: dict[str, str]
) -> None:
    """BT.709 at every size, and the file says so: what is not said is guessed from the number of lines."""
    import av

    rate = Fraction(fps).limit_denominator(65535)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate, options=options)
        stream.pix_fmt = pixels
        for name, value in BT709.items():
            setattr(stream.codec_context, name, value)
        for k, frame in enumerate(frames):
            values = to_bytes(_even(frame)[None])[0]
            picture = av.VideoFrame.from_ndarray(values, "rgba" if len(frame) == 4 else "rgb24")
            picture = picture.reformat(format=pixels, dst_colorspace="ITU709", dst_color_range="MPEG")
            picture.pts, picture.time_base = k, 1 / rate
            if k == 0:
                stream.height, stream.width = values.shape[:2]
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))


def _write_gif(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    pictures = (_palette(frame) for frame in frames)
    _write_animation(path, pictures, fps, GIF_TICK, disposal=2)


def _write_webp(path: Path, frames: Iterable[Tensor], fps: float) -> None:
    pictures = (Image.fromarray(values) for values in (to_bytes(frame[None])[0] for frame in frames))
    _write_animation(path, pictures, fps, 0.001, quality=90, method=4)


def _palette(frame: Tensor) -> Image.Image:
    """256 colours of its own for each frame; with alpha, one of them is nothing."""
    picture = Image.fromarray(to_bytes(frame[None, :3])[0])
    if len(frame) == 3:
        return picture.quantize(256, Image.Quantize.MEDIANCUT)
    picture = picture.quantize(255, Image.Quantize.MEDIANCUT)
    picture.paste(255, mask=Image.fromarray((frame[3] < CUT).numpy().astype(np.uint8) * 255))
    picture.info["transparency"] = 255
    return picture


def _write_animation(path: Path, pictures: Iterator[Image.Image], fps: float, tick: float, **options: object) -> None:
    """Each picture lasts until the tick nearest to the next one's moment, so that no rounding adds up."""
    first = next(pictures)
    rest = list(pictures)
    ends = torch.round(torch.arange(len(rest) + 2) / fps / tick).long()
    lasting = (ends.diff() * round(1000 * tick)).tolist()[: len(rest) + 1]
    first.save(path, save_all=True, append_images=rest, duration=lasting, loop=0, **options)


WRITERS: dict[str, Callable[[Path, Iterable[Tensor], float], None]] = {
    ".mp4": _write_mp4,
    ".gif": _write_gif,
    ".webp": _write_webp,
    ".webm": _write_webm,
}
