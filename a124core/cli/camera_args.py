"""Arguments for cameras and films, shared by render and export, and the options made of them."""

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
from ..export.images.film import BACKGROUND_COLOURS, FilmOptions
from ..utils.progress import OnProgress
from ..utils.text import quote_value

FRAMES = 48  # where neither the command nor a file of cameras says how many
FILM_BACKGROUNDS = {"transparent": None, **BACKGROUND_COLOURS}


def add_camera_args(p: argparse.ArgumentParser) -> None:
    p.add_argument("--cameras", default="orbit", help="orbit, still, or a file: transforms.json, camera_path.json of "
                   "nerfstudio, or keys in JSON (%(default)s)")
    p.add_argument("--elevation", type=float, default=0.0, help="degrees from which the camera looks down")
    p.add_argument("--azimuth", type=float, default=0.0, help="where the orbit begins, or the still camera "
                   "stands, degrees from the side that the picture shows")
    p.add_argument("--radius", type=float, default=RADIUS, help="distance of the camera; the scene has side 2")
    p.add_argument("--fovy", type=float, default=FOVY, help="field of view from top to bottom, degrees")
    p.add_argument("--turns", type=float, default=1.0, help="how many times the orbit goes round (%(default)g)")
    p.add_argument("--time", type=float, help="freeze the scene at this time, 0 to 1")
    p.add_argument("--eyes", type=float, default=0.0, metavar="DISTANCE", help="two eyes side by side, so far from "
                   f"each other; {DEFAULT_EYE_DISTANCE} is comfortable at distance {RADIUS}")


def add_film_args(p: argparse.ArgumentParser) -> None:
    p.add_argument("--frames", type=int, help=f"frames from the first time to the last ({FRAMES}, or as many as "
                   "the file of cameras has)")
    p.add_argument("--fps", type=float, help=f"pictures a second ({FilmOptions.fps:g})")
    p.add_argument("--size", type=parse_size, default=(256, 256), metavar="SIDE or WxH", help="pixels (256)")
    p.add_argument("--plays", type=int, default=1, help="how many times the scene plays during the video (%(default)s)")
    p.add_argument("--ping-pong", action="store_true", help="forwards and backwards, so that it repeats without a jump")
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps, xpu (%(default)s)")


def parse_size(text: str) -> tuple[int, int]:  # H, W
    """512, or 1280x720 (width first, as everybody writes it)."""
    width, _, height = text.lower().partition("x")
    try:
        return int(height or width), int(width)
    except ValueError:
        advice = "write 512, or 1280x720 (width x height)"
        raise argparse.ArgumentTypeError(f"{quote_value(text)} is no size: {advice}.") from None


def camera_path_from_args(args: object) -> tuple[CameraPath, int]:  # and the number of frames
    """Return orbit, still, or the cameras of a file; --time freezes the scene, --eyes makes it stereo."""
    camera = (args.elevation, args.azimuth, args.radius, args.fovy)
    if args.cameras == "orbit":
        path: CameraPath = Orbit(*camera, turns=args.turns)
    else:
        path = StaticCamera(*camera) if args.cameras == "still" else read_camera_file(args.cameras)
    default = len(path.keys) if isinstance(path, KeyframePath) else FRAMES
    if args.time is not None:
        path = FixedTime(path, args.time)
    path = path if args.eyes == 0 else Stereo(path, args.eyes)
    path(1)  # an impossible camera is refused before anything is loaded
    return path, default if args.frames is None else args.frames


def film_options_from_args(
    args: object, frames: int, background: tuple[float, float, float] | None
) -> FilmOptions:
    """Return the options of a film of so many frames."""
    fps = FilmOptions.fps if args.fps is None else args.fps
    return FilmOptions(frames, fps, args.size, background, Playback(args.plays, args.ping_pong))


@contextmanager
def progress_bar(label: str, total: int, unit: str = "frame") -> Iterator[OnProgress]:
    """Yield a callback that moves a progress bar on the terminal."""
    with tqdm(total=total, desc=label, unit=unit, dynamic_ncols=True) as bar:

        def on_progress(done: int, total: int, text: str) -> None:
            bar.total = total
            bar.set_postfix_str(text, refresh=False)
            bar.update(done - bar.n)

        yield on_progress
