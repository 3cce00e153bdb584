"""What render and export share: the words for cameras and films, and what is made of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

from ..cameras.keyframes import KeyframePath
from ..cameras.paths import CameraPath, FixedTime, Orbit, Playback, StaticCamera
from ..cameras.rig import FOVY, RADIUS
from ..cameras.stereo import DEFAULT_EYE_DISTANCE, Stereo
from ..cameras.transforms import read_camera_file
from ..export.images.film import BACKGROUNDS as COLOURS
from ..export.images.film import FilmOptions
from ..utils.progress import OnProgress

FRAMES = 48  # where neither the command nor a file of cameras says how many
BACKGROUNDS = {"transparent": None, **COLOURS}


def camera_words(p: argparse.ArgumentParser) -> None:
    p.add_argument("--cameras", default="orbit", help="orbit, still, or a file: transforms.json, camera_path.json of "
                   "nerfstudio, or keys in JSON (%(default)s)")  # fmt: skip
    p.add_argument("--elevation", type=float, default=0.0, help="degrees from which the camera looks down")
    p.add_argument("--azimuth", type=float, default=0.0, help="where the orbit begins, or the still camera stands")
    p.add_argument("--radius", type=float, default=RADIUS, help="distance of the camera; the scene has side 2")
    p.add_argument("--fovy", type=float, default=FOVY, help="field of view from top to bottom, degrees")
    p.add_argument("--turns", type=float, default=1.0, help="how many times the orbit goes round (%(default)g)")
    p.add_argument("--time", type=float, help="freeze the scene at this moment, 0 to 1")
    p.add_argument("--eyes", type=float, default=0.0, metavar="DISTANCE", help="two eyes side by side, so far from "
                   f"each other; {DEFAULT_EYE_DISTANCE} is comfortable at distance {RADIUS}")  # fmt: skip


def film_words(p: argparse.ArgumentParser) -> None:
    p.add_argument("--frames", type=int, help=f"pictures from the first moment to the last ({FRAMES}, or as many as "
                   "the file of cameras has)")  # fmt: skip
    p.add_argument("--fps", type=float, help=f"pictures a second ({FilmOptions.fps:g})")
    p.add_argument("--size", type=picture_size, default=(256, 256), metavar="SIDE or WxH", help="pixels (256)")
    p.add_argument("--plays", type=int, default=1, help="how many times the scene plays during the film (%(default)s)")
    p.add_argument("--ping-pong", action="store_true", help="there and back, so that it repeats without a jump")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu (%(default)s)")


def picture_size(text: str) -> tuple[int, int]:  # H, W
    """512, or 1280x720 (width first, as everybody writes it)."""
    width, _, height = text.lower().partition("x")
    try:
        return int(height or width), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 512, or 1280x720 (width x height).") from None


def chosen_path(options: object) -> CameraPath:
    """orbit, still, or a file; --time freezes the scene, --eyes makes it two."""
    where = (options.elevation, options.azimuth, options.radius, options.fovy)
    if options.cameras == "orbit":
        path: CameraPath = Orbit(*where, turns=options.turns)
    else:
        path = StaticCamera(*where) if options.cameras == "still" else read_camera_file(options.cameras)
    if options.frames is None:
        options.frames = len(path.keys) if isinstance(path, KeyframePath) else FRAMES
    if options.time is not None:
        path = FixedTime(path, options.time)
    path = path if options.eyes == 0 else Stereo(path, options.eyes)
    path(1)  # a camera that cannot be is refused before anything is loaded
    return path


def chosen_film(options: object, background: tuple[float, float, float] | None) -> FilmOptions:
    pace = Playback(options.plays, options.ping_pong)
    fps = FilmOptions.fps if options.fps is None else options.fps
    return FilmOptions(options.frames, fps, options.size, background, pace)


@contextmanager
def progress_bar(label: str, total: int, unit: str = "frame") -> Iterator[OnProgress]:
    """Yield a callback that moves a progress bar on the terminal."""
    with tqdm(total=total, desc=label, unit=unit, dynamic_ncols=True) as bar:

        def on_progress(done: int, total: int, text: str) -> None:
            bar.total = total
            bar.set_postfix_str(text, refresh=False)
            bar.update(done - bar.n)

        yield on_progress
