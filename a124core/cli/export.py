"""A saved field to what other programs open."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..camera_paths import PathOfCameras
from ..checks import plain_name
from ..export.capture import CaptureOptions, export_capture
from ..export.checkpoint import load_field
from ..export.film import FilmOptions, export_film
from ..export.frames import export_frames
from ..field.field4d import Field4D
from .looks import BACKGROUNDS, camera_words, chosen_film, chosen_path, counting, film_words, make_folder
from .machine import checked_device

ALL = "all"


@dataclass(frozen=True)
class Wishes:
    """What was asked for, checked, in the words of the core."""

    cameras: PathOfCameras
    film: FilmOptions
    capture: CaptureOptions
    device: torch.device


def _film(field: Field4D, target: Path, asked: Wishes) -> None:
    with counting(target.name, asked.film.frames) as on_frame:
        export_film(field, target, asked.cameras, asked.film, on_frame, asked.device)


def _frames(field: Field4D, target: Path, asked: Wishes) -> None:
    with counting(target.name, asked.film.frames) as on_frame:
        export_frames(field, target, asked.cameras, asked.film, on_frame, asked.device)


def _capture(field: Field4D, target: Path, asked: Wishes) -> None:
    with counting(target.name, asked.capture.pictures) as on_frame:
        export_capture(field, target, asked.capture, on_frame, asked.device)


Write = Callable[[Field4D, Path, Wishes], None]
WRITERS: dict[str, tuple[str, Write]] = {  # format -> ending ("": a folder), what writes it
    "mp4": (".mp4", _film),
    "webm": (".webm", _film),
    "gif": (".gif", _film),
    "webp": (".webp", _film),
    "frames": ("", _frames),
    "capture": ("", _capture),
}


def export_words(p: argparse.ArgumentParser) -> None:
    p.add_argument("field", type=Path, help="field.safetensors")
    p.add_argument("--format", choices=(*WRITERS, ALL), help="left out: as --out ends. frames: PNG with "
                   "alpha, depth, normals, masks and transforms.json. capture: the same from cameras all around, as a "
                   "data set. all: one of each, into a folder")  # fmt: skip
    p.add_argument("--out", type=Path, required=True, help="the file, or for frames, capture and all a folder")
    camera_words(p)
    film_words(p)
    p.add_argument("--background", choices=tuple(BACKGROUNDS), default="transparent", help="of films; MP4 is white "
                   "where the others are transparent (%(default)s)")  # fmt: skip
    p.add_argument("--views", type=int, default=24, help="cameras of a capture; --frames are its moments (%(default)s)")


def export_file(options: object) -> None:
    """Check everything that can be checked, load, write."""
    out = Path(options.out)
    form = checked_format(options.format, out)
    asked = wishes(options)
    field = load_field(options.field)
    jobs = {form: out} if form != ALL else {name: out / _usual_name(name) for name in WRITERS}
    for name, target in jobs.items():
        make_folder(target.parent)
        WRITERS[name][1](field, target, asked)
        print(f"Written: {target}")


def wishes(options: object) -> Wishes:
    """All words of the command line, checked before anything is loaded or written."""
    path = chosen_path(options)
    film = chosen_film(options, BACKGROUNDS[options.background])
    capture = CaptureOptions(options.views, options.frames, options.size, options.radius, options.fovy)
    return Wishes(path, film, capture, checked_device(options.device))


def checked_format(wanted: str | None, out: Path) -> str:
    """The format, from the option or the ending; both must agree."""
    plain_name(out.name)
    endings = {ending: name for name, (ending, _) in WRITERS.items() if ending}
    form = wanted or endings.get(out.suffix.lower())
    if form is None:
        raise ValueError(f"{out.name} ends in {out.suffix!r}: use one of {', '.join(endings)}, or say --format.")
    ending = WRITERS[form][0] if form != ALL else ""
    if ending and out.suffix.lower() != ending:
        raise ValueError(f"{out.name} does not end in {ending}, as --format {form} writes it: rename it.")
    return form


def _usual_name(form: str) -> str:
    ending = WRITERS[form][0]
    return f"scene{ending}" if ending else form
