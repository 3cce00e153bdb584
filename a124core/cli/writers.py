"""What export can write: a format's name, its file ending, and the one call behind it."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

from ..export.images.capture import export_capture
from ..export.images.film import export_film
from ..export.images.frames import export_frames
from ..export.mesh import export_mesh
from ..export.viewer.html import export_html
from ..field.field4d import Field4D
from ..utils.text import count_noun
from .camera_args import progress_bar
from .export_request import ExportRequest


def _film(field: Field4D, target: Path, request: ExportRequest) -> str:
    with progress_bar(target.name, request.film.frames) as on_progress:
        export_film(field, target, request.cameras, request.film, on_progress, request.device)
    return f"{count_noun(request.film.frames, 'frame')}, {request.film.frames / request.film.fps:.1f} s."


def _frames(field: Field4D, target: Path, request: ExportRequest) -> str:
    with progress_bar(target.name, request.film.frames) as on_progress:
        export_frames(field, target, request.cameras, request.film, on_progress, request.device)
    return f"{count_noun(request.film.frames, 'frame')} with depth, normals, masks and cameras."


def _capture(field: Field4D, target: Path, request: ExportRequest) -> str:
    with progress_bar(target.name, request.capture.n_images) as on_progress:
        export_capture(field, target, request.capture, on_progress, request.device)
    return f"{request.capture.n_views} cameras at {count_noun(request.capture.n_times, 'time')}."


def _html(field: Field4D, target: Path, request: ExportRequest) -> str:
    with progress_bar(target.name, request.viewer.frames) as on_progress:
        size = export_html(field, target, request.viewer, on_progress, request.device)
    return f"{size / 1e6:.1f} MB: open it in a browser."


def _mesh(format: str) -> Callable[[Field4D, Path, ExportRequest], str]:
    def write(field: Field4D, target: Path, request: ExportRequest) -> str:
        with progress_bar(target.name, request.mesh.frames, "step") as on_progress:
            report = export_mesh(field, target, format, request.mesh, on_progress, request.device)
        return report.summary()

    return write


_films, _captures, _meshes, _viewers = (attrgetter(name) for name in ("film", "capture", "mesh", "viewer"))

FRAMES = ("frames", "fps", "size", "plays", "ping_pong", "cameras", "elevation", "azimuth", "radius", "fovy", "turns",
            "time", "eyes")
FILM = (*FRAMES, "background")
CAPTURE = ("frames", "size", "views", "radius", "fovy")
VIEWER = ("frames", "fps", "resolution", "megabytes", "background", "elevation", "azimuth", "radius", "fovy")
MESH = ("frames", "fps", "time", "resolution", "faces")
GLB = (*MESH, "texture", "quantise")

Write = Callable[[Field4D, Path, ExportRequest], str]  # -> what to tell the user
WRITERS: dict[str, tuple[str, Write, tuple[str, ...], Callable[[ExportRequest], object]]] = {
    # format -> suffix ("": a folder), what writes it, the options it uses, what makes and so checks them
    "glb": (".glb", _mesh("animated GLB"), GLB, _meshes),
    "flipbook": (".glb", _mesh("flip-book GLB"), GLB, _meshes),
    "usd": (".usdc", _mesh("USD"), MESH, _meshes),
    "ply": ("", _mesh("PLY sequence"), MESH, _meshes),
    "obj": ("", _mesh("OBJ sequence"), MESH, _meshes),
    "frames": ("", _frames, FRAMES, _films),
    "capture": ("", _capture, CAPTURE, _captures),
    "mp4": (".mp4", _film, FILM, _films),
    "webm": (".webm", _film, FILM, _films),
    "gif": (".gif", _film, FILM, _films),
    "webp": (".webp", _film, FILM, _films),
    "html": (".html", _html, VIEWER, _viewers),
}
