"""What export can write: a format's name, its file ending, and the one call behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from ..camera_paths import PathOfCameras
from ..export.capture import CaptureOptions, export_capture
from ..export.film import FilmOptions, export_film
from ..export.frames import export_frames
from ..export.html import export_html
from ..export.mesh import (
    MeshOptions,
    MeshReport,
    export_animated_glb,
    export_flipbook_glb,
    export_obj,
    export_ply,
    export_usd,
)
from ..export.volume import VolumeOptions
from ..field.field4d import Field4D
from .looks import counting


@dataclass(frozen=True)
class Wishes:
    """What was asked for, checked, in the words of the core."""

    cameras: PathOfCameras
    film: FilmOptions
    capture: CaptureOptions
    mesh: MeshOptions
    viewer: VolumeOptions
    device: torch.device


def _film(field: Field4D, target: Path, asked: Wishes) -> str:
    with counting(target.name, asked.film.frames) as on_frame:
        export_film(field, target, asked.cameras, asked.film, on_frame, asked.device)
    return f"{asked.film.frames} frames, {asked.film.frames / asked.film.fps:.1f} s."


def _frames(field: Field4D, target: Path, asked: Wishes) -> str:
    with counting(target.name, asked.film.frames) as on_frame:
        export_frames(field, target, asked.cameras, asked.film, on_frame, asked.device)
    return f"{asked.film.frames} frames with depth, normals, masks and cameras."


def _capture(field: Field4D, target: Path, asked: Wishes) -> str:
    with counting(target.name, asked.capture.pictures) as on_frame:
        export_capture(field, target, asked.capture, on_frame, asked.device)
    return f"{asked.capture.views} cameras at {asked.capture.moments} moments."


def _html(field: Field4D, target: Path, asked: Wishes) -> str:
    with counting(target.name, asked.viewer.frames) as on_frame:
        size = export_html(field, target, asked.viewer, lambda done, _: on_frame(done), asked.device)
    return f"{size / 1e6:.1f} MB: open it in a browser."


def _mesh(export: Callable[..., MeshReport]) -> Callable[[Field4D, Path, Wishes], str]:
    def write(field: Field4D, target: Path, asked: Wishes) -> str:
        with counting(target.name, asked.mesh.frames, "step") as on_step:
            report = export(field, target, asked.mesh, on_step, asked.device)
        return report.sentence()

    return write


Write = Callable[[Field4D, Path, Wishes], str]  # -> what to tell the user
WRITERS: dict[str, tuple[str, Write]] = {  # format -> ending ("": a folder), what writes it
    "glb": (".glb", _mesh(export_animated_glb)),
    "flipbook": (".glb", _mesh(export_flipbook_glb)),
    "usd": (".usdc", _mesh(export_usd)),
    "ply": ("", _mesh(export_ply)),
    "obj": ("", _mesh(export_obj)),
    "frames": ("", _frames),
    "capture": ("", _capture),
    "mp4": (".mp4", _film),
    "webm": (".webm", _film),
    "gif": (".gif", _film),
    "webp": (".webp", _film),
    "html": (".html", _html),
}
