"""Frames to a film that plays anywhere: MP4, or WebM, GIF and WebP, which can be transparent. Written one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from functools import partial
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
H264, VP9 = "libx264", "libvpx-vp9"  # with yuv420p every browser and player shows H.264
VP9_OPTIONS = {"crf": "18", "b": "0", "cpu-used": "4", "auto-alt-ref": "0"}  # alternate frames cannot carry alpha
SUFFIXES = (".mp4", ".gif", ".webp", ".webm")
MAX_FPS = 240.0
GIF_TICK = 0.01  # seconds; a GIF's clock. Browsers slow down frames that are shorter than two ticks
GIF_OPAQUE = 0.5  # opacity from which a GIF's pixel is opaque: it has no half-transparent ones


def write_video(
    path: str | Path,  # its suffix chooses the format
    frames: Iterable[Tensor],  # each (3, H, W), or (4, H, W) with straight alpha; in [0, 1]; one is held at a time
    fps: float,
) -> None:
    """Write a film of any length. MP4 and WebM sides are made even by repeating the last row or column."""
    path = Path(path)
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise ValueError(f"{path.name} ends in {path.suffix!r}: use one of {', '.join(SUFFIXES)}.")
    check_fps(path.suffix, fps)
    with atomic_write(path) as temporary:
        write(temporary, _checked_frames(frames), fps)


def check_fps(suffix: str, fps: float) -> None:
    """Refuse a frame rate that a film of this suffix cannot have."""
    if not 0 < fps <= MAX_FPS:
        raise ValueError(f"fps is {fps}: it must be above 0 and at most {MAX_FPS:g}.")
    if suffix.lower() == ".gif" and fps > 0.5 / GIF_TICK:
        raise ValueError(f"fps is {fps:g}: a GIF shows at most {0.5 / GIF_TICK:g} frames a second, take WebP or MP4.")


def _checked_frames(frames: Iterable[Tensor]) -> Iterator[Tensor]:
    """Pass the frames on; refuse a film without any, and a first frame of another shape."""
    frames = iter(frames)
    first = next(frames, None)
    if first is None or first.ndim != 3 or first.shape[0] not in (3, 4):
        shape = "no frame came" if first is None else f"a frame has shape {tuple(first.shape)}"
        raise ValueError(f"{shape}: give at least one of shape (3, height, width), or (4, ...) with alpha.")
    return chain([first], frames)


def to_bytes(frames: Tensor) -> np.ndarray:  # (F, C, H, W) in [0, 1] -> (F, H, W, C) uint8
    """Round to 8 bits, never min-max stretched: that would shift the colours (release)."""
    levels = (frames.detach().cpu().float().clamp(0.0, 1.0) * 255.0).round().byte()
    return np.ascontiguousarray(rearrange(levels, "f c h w -> f h w c").numpy())


def _write_stream(path: Path, frames: Iterator[Tensor], fps: float, codec: str, options: dict[str, str]) -> None:
    """Encode in BT.709 at every size, and tag the file so: players guess untagged colours from the number of lines.

    VP9 has alpha in a second stream, which browsers, OBS and editors that know WebM read."""
    import av

    rate = Fraction(fps).limit_denominator(65535)
    with av.open(str(path), "w") as film:
        stream = film.add_stream(codec, rate, options=options)
        for name, value in BT709.items():
            setattr(stream.codec_context, name, value)
        for k, frame in enumerate(frames):
            height, width = frame.shape[-2:]  # made even, for yuv420p halves its colour planes
            values = to_bytes(pad(frame[None], (0, width % 2, 0, height % 2), mode="replicate"))[0]
            if k == 0:
                stream.height, stream.width = values.shape[:2]
                stream.pix_fmt = "yuva420p" if codec == VP9 and len(frame) == 4 else "yuv420p"
            image = av.VideoFrame.from_ndarray(values, "rgba" if len(frame) == 4 else "rgb24")
            image = image.reformat(format=stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
            image.pts, image.time_base = k, 1 / rate
            film.mux(stream.encode(image))
        film.mux(stream.encode(None))


def _write_gif(path: Path, frames: Iterator[Tensor], fps: float) -> None:
    _write_animation(path, map(_palette_image, frames), fps, GIF_TICK, disposal=2)


def _write_webp(path: Path, frames: Iterator[Tensor], fps: float) -> None:
    images = (Image.fromarray(to_bytes(frame[None])[0]) for frame in frames)
    _write_animation(path, images, fps, 0.001, quality=90, method=4)


def _palette_image(frame: Tensor) -> Image.Image:
    """Quantise to 256 colours of the frame's own; with alpha, one of them is transparent."""
    image = Image.fromarray(to_bytes(frame[None, :3])[0])
    if len(frame) == 3:
        return image.quantize(256, Image.Quantize.MEDIANCUT)
    image = image.quantize(255, Image.Quantize.MEDIANCUT)
    image.paste(255, mask=Image.fromarray((frame[3] < GIF_OPAQUE).numpy().astype(np.uint8) * 255))
    image.info["transparency"] = 255
    return image


def _write_animation(path: Path, images: Iterator[Image.Image], fps: float, tick: float, **options: object) -> None:
    """Write images that last until the tick nearest to the start of the next one, so that no rounding adds up."""
    first = next(images)
    rest = list(images)
    ends = torch.round(torch.arange(len(rest) + 2) / fps / tick).long()
    durations = (ends.diff() * round(1000 * tick)).tolist()[: len(rest) + 1]
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, **options)


WRITERS: dict[str, Callable[[Path, Iterator[Tensor], float], None]] = {
    ".mp4": partial(_write_stream, codec=H264, options={"crf": "18", "preset": "medium"}),
    ".gif": _write_gif,
    ".webp": _write_webp,
    ".webm": partial(_write_stream, codec=VP9, options=VP9_OPTIONS),
}
