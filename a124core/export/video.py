"""Frames to a film that plays anywhere: MP4, GIF or WebP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from einops import rearrange
from torch import Tensor
from torch.nn import functional

from .files import replacing

CODEC = "libx264"  # with yuv420p every browser and player shows it
SUFFIXES = (".mp4", ".gif", ".webp")


def write_video(
    path: str | Path,
    frames: Tensor,  # (F, 3, H, W) in [0, 1]
    fps: float,
) -> None:
    """The suffix chooses the format; MP4 sides are made even by repeating the last row or column."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name} ends in {path.suffix!r}: use one of {', '.join(SUFFIXES)}.")
    if frames.ndim != 4 or frames.shape[1] != 3 or frames.shape[0] == 0:
        raise ValueError(f"frames have shape {tuple(frames.shape)}: give (frames, 3, height, width).")
    if not fps > 0:
        raise ValueError(f"fps is {fps}: it must be above 0.")
    with replacing(path) as temporary:
        if path.suffix.lower() == ".mp4":
            _write_mp4(temporary, to_bytes(_even(frames)), fps)
        else:
            _write_animation(temporary, to_bytes(frames), fps)


def to_bytes(frames: Tensor) -> np.ndarray:  # (F, 3, H, W) in [0, 1] -> (F, H, W, 3) uint8
    """Rounded, never min-max stretched: that would shift the colours (release)."""
    levels = (frames.detach().cpu().float().clamp(0.0, 1.0) * 255.0).round().byte()
    return np.ascontiguousarray(rearrange(levels, "f c h w -> f h w c").numpy())


def _even(frames: Tensor) -> Tensor:
    """yuv420p halves its colour planes, so both sides must be even."""
    height, width = frames.shape[-2:]
    return functional.pad(frames, (0, width % 2, 0, height % 2), mode="replicate")


def _write_mp4(path: Path, frames: np.ndarray, fps: float) -> None:
    import imageio.v3 as imageio

    with imageio.imopen(path, "w", plugin="pyav") as film:
        film.init_video_stream(CODEC, fps=fps, pixel_format="yuv420p")
        film._video_stream.options = {"crf": "18", "preset": "medium"}  # the plugin has no public way to set quality
        for frame in frames:
            film.write_frame(frame)


def _write_animation(path: Path, frames: np.ndarray, fps: float) -> None:
    import imageio.v3 as imageio

    imageio.imwrite(path, frames, plugin="pillow", duration=1000.0 / fps, loop=0)
