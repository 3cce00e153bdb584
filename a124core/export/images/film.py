"""A field to a film: any cameras, any number of frames, any pace; written frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...cameras.paths import CameraPath, Playback, sample_path
from ...cameras.rig import to_pinholes
from ...protocols import Field
from ...render.clip import RenderedClip, render_frames
from ...utils.device import check_memory
from ...utils.text import count_noun
from ...utils.validate import check_range, plain_name
from .alpha import straight
from .video import MOST_FPS, write_film

TRANSPARENT = (".webm", ".gif", ".webp")  # formats that have alpha
HELD = {".gif": 1, ".webp": 4}  # bytes of a pixel that is kept until the end
WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
SIDES = (16, 4096)  # pixels
MOST_FRAMES = 100_000
NOTHING = 0.02  # opacity below which a pixel shows nothing

OnFrame = Callable[[int], None]  # called with the frames done, also within a frame; a cancel is an exception out of it


@dataclass(frozen=True)
class FilmOptions:
    """How long, how large and on what."""

    frames: int = 48
    fps: float = 16.0  # frames a second; the scene lasts as long as the film, whatever it was trained with
    size: tuple[int, int] = (256, 256)  # H, W pixels of what one eye sees
    background: tuple[float, float, float] | None = None  # None: transparent; white in an MP4, which has no alpha
    playback: Playback = Playback()

    def __post_init__(self) -> None:
        check_range(self, 1, MOST_FRAMES, "frames")
        check_range(self, 0.1, MOST_FPS, "fps")
        if not all(SIDES[0] <= side <= SIDES[1] for side in self.size):
            raise ValueError(f"size is {self.size[1]}x{self.size[0]}: a side has {SIDES[0]} to {SIDES[1]} pixels.")


def export_film(
    field: Field,
    path: str | Path,  # its suffix chooses the format: .mp4, .webm, .gif, .webp
    cameras: CameraPath,
    options: FilmOptions = FilmOptions(),
    on_frame: OnFrame | None = None,
    device: torch.device | str | None = None,
) -> None:
    """MP4 and WebM hold one frame in memory; GIF and WebP all of them in 8 bits."""
    plain_name(Path(path).name)
    where, time = sample_path(cameras, options.frames, loops(field), options.playback)
    clear = options.background is None and Path(path).suffix.lower() in TRANSPARENT
    ground = BLACK if clear else options.background or WHITE
    _check_memory(Path(path).suffix.lower(), options, to_pinholes(where[:1]).eyes)
    seen = render_frames(field, where, time, options.size, background=ground, device=device, normals=False,
                         on_piece=on_frame)  # fmt: skip
    write_film(path, (_pixels(clip, clear) for clip in watched(seen, on_frame)), options.fps)


def _check_memory(suffix: str, options: FilmOptions, eyes: int) -> None:
    """Of the formats that are written when all pictures are there."""
    if suffix in HELD:
        bytes_ = options.frames * options.size[0] * options.size[1] * eyes * HELD[suffix]
        what = f"a {suffix[1:].upper()} of {count_noun(options.frames, 'picture')}"
        check_memory(bytes_, what, "take MP4 or WebM, or fewer or smaller pictures")


def loops(field: Field) -> bool:
    """Does its time go in a circle?"""
    return bool(getattr(getattr(field, "config", None), "loop", False))


def watched(frames: Iterator[RenderedClip], on_frame: OnFrame | None) -> Iterator[RenderedClip]:
    """The same frames, counted; if none of them shows anything, nothing is written."""
    shown = False
    for k, clip in enumerate(frames):
        shown = shown or bool((clip.mask > NOTHING).any())
        yield clip
        if on_frame is not None:
            on_frame(k + 1)
    if not shown:
        raise ValueError("every picture is empty: the field holds nothing, or the cameras look past it.")


def _pixels(clip: RenderedClip, clear: bool) -> Tensor:  # (3, H, W), or (4, H, W) with straight alpha
    return straight(clip.image, clip.mask)[0] if clear else clip.image[0]
