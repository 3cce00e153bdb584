"""A field to a film: any cameras, any number of frames, any playback; written frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...cameras.paths import CameraPath, Playback, sample_path
from ...cameras.rig import to_pinholes
from ...protocols import Field
from ...reference.reference import WHITE
from ...render.clip import ImageOptions, RenderedClip, render_frames
from ...utils.device import check_memory
from ...utils.progress import OnProgress
from ...utils.text import count_noun
from ...utils.validate import check_range, plain_name
from .alpha import unpremultiply
from .video import MAX_FPS, write_video

WITH_ALPHA = (".webm", ".gif", ".webp")
BUFFERED_BYTES = {".gif": 1, ".webp": 4}  # of each pixel, in formats that are written when all frames are there
BLACK = (0.0, 0.0, 0.0)
BACKGROUND_COLOURS = {"white": WHITE, "black": BLACK, "grey": (0.5, 0.5, 0.5), "green": (0.0, 1.0, 0.0)}
SIDE_LIMITS = (16, 4096)  # pixels
MAX_FRAMES = 100_000
VISIBLE_OPACITY = 0.02  # below it a pixel shows nothing


@dataclass(frozen=True)
class FilmOptions:
    """How long, how large and on which background."""

    frames: int = 48
    fps: float = 16.0  # frames a second; the scene lasts as long as the film, whatever it was trained with
    size: tuple[int, int] = (256, 256)  # H, W pixels of one eye's image
    background: tuple[float, float, float] | None = None  # None: transparent; white in an MP4, which has no alpha
    playback: Playback = Playback()

    def __post_init__(self) -> None:
        check_range(self, 1, MAX_FRAMES, "frames")
        check_range(self, 0.1, MAX_FPS, "fps")
        check_size(self.size)


def check_size(size: tuple[int, int]) -> None:
    """Refuse images that are too small or too large."""
    low, high = SIDE_LIMITS
    if not all(low <= side <= high for side in size):
        raise ValueError(f"size is {size[1]}x{size[0]}: a side has {low} to {high} pixels.")


def export_film(
    field: Field,
    path: str | Path,  # its suffix chooses the format: .mp4, .webm, .gif, .webp
    cameras: CameraPath,
    options: FilmOptions = FilmOptions(),
    on_progress: OnProgress | None = None,  # in frames
) -> None:
    """Render and write a film. MP4 and WebM hold one frame in memory; GIF and WebP all of them in 8 bits."""
    plain_name(Path(path).name)
    views, time = sample_path(cameras, options.frames, field.loop, options.playback)
    suffix = Path(path).suffix.lower()
    transparent = options.background is None and suffix in WITH_ALPHA
    background = BLACK if transparent else options.background or WHITE
    _check_memory(suffix, options, to_pinholes(views[:1]).eyes)
    image = ImageOptions(options.size, background=background, normals=False)
    frames = render_frames(field, views, time, image, on_progress)
    clips = check_visible(frames)
    straight = (unpremultiply(clip.image, clip.mask)[0] if transparent else clip.image[0] for clip in clips)
    write_video(path, straight, options.fps)


def _check_memory(suffix: str, options: FilmOptions, eyes: int) -> None:
    """Refuse a film whose frames do not fit into memory, in formats that are written when all are there."""
    if suffix in BUFFERED_BYTES:
        needed = options.frames * options.size[0] * options.size[1] * eyes * BUFFERED_BYTES[suffix]
        task = f"a {suffix[1:].upper()} of {count_noun(options.frames, 'frame')}"
        check_memory(needed, task, "take MP4 or WebM, or fewer or smaller frames")


def check_visible(frames: Iterator[RenderedClip]) -> Iterator[RenderedClip]:
    """Pass the frames on; raise at their end if all of them are empty, so that nothing is written."""
    visible = False
    for clip in frames:
        visible = visible or bool((clip.mask > VISIBLE_OPACITY).any())
        yield clip
    if not visible:
        raise ValueError("every image is empty: the field holds nothing, or the cameras look past it.")
