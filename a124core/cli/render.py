"""Film a saved field."""

from __future__ import annotations

from pathlib import Path

from ..cameras.facing import from_front
from ..export.checkpoint import load_field
from ..export.images.film import export_film
from ..export.images.frames import export_frames
from ..export.images.video import SUFFIXES
from ..reference.reference import WHITE
from .camera_args import camera_path_from_args, film_options_from_args, progress_bar
from .folder import created_folder, refuse_overwriting
from .machine import available_device


def render_file(options: object) -> None:
    """Render a film on white, or a folder of frames."""
    out = Path(options.out)
    if out.suffix and out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{out.name} ends in {out.suffix!r}: use {', '.join(SUFFIXES)}, or a folder for PNG frames.")
    refuse_overwriting(options.field, out)
    device = available_device(options.device)
    path, frames = camera_path_from_args(options)
    film = film_options_from_args(options, frames, WHITE)
    field = load_field(options.field).to(device)
    write, path = export_film if out.suffix else export_frames, from_front(path, field.front)
    with created_folder(out.parent), progress_bar("render", film.frames) as on_progress:
        write(field, out, path, film, on_progress)
    print(f"Written: {out}")
