"""What `export` can write: for each format the options made of the arguments, and the one call behind it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..cameras.facing import from_front
from ..cameras.paths import CameraPath, StaticCamera
from ..export.images.capture import CaptureOptions, export_capture
from ..export.images.film import FilmOptions, export_film
from ..export.images.frames import export_frames
from ..export.mesh import MeshOptions, export_mesh
from ..export.splat.gaussians import VIEWS, Splat, SplatOptions, field_to_splat
from ..export.splat.write import write_gaussian_ply, write_splat_file
from ..export.viewer.html import export_html
from ..export.viewer.volume import VolumeOptions
from ..field.field4d import Field4D
from ..utils.text import count_noun
from .camera_args import FILM_BACKGROUNDS, camera_path_from_args, film_options_from_args, progress_bar

CAPTURE_TIMES = 16


@dataclass(frozen=True)
class ExportFormat:
    """A format of `export`."""

    suffix: str  # of the file; "": a folder
    arguments: tuple[str, ...]  # those of the command line that it uses
    options: Callable[[Any], Any]  # makes the core's options of the arguments; ValueError where they make none
    write: Callable[[Field4D, Path, Any], str]  # field, target, options -> what to tell the user


def _film_options(args: Any) -> tuple[CameraPath, FilmOptions]:
    """Return the cameras and options of films and frames."""
    cameras, frames = camera_path_from_args(args)
    return cameras, film_options_from_args(args, frames, FILM_BACKGROUNDS[args.background])


def _write_film(field: Field4D, target: Path, options: tuple[CameraPath, FilmOptions]) -> str:
    cameras, film = options
    with progress_bar(target.name, film.frames) as on_progress:
        export_film(field, target, from_front(cameras, field.front), film, on_progress)
    return f"{count_noun(film.frames, 'frame')}, {film.frames / film.fps:.1f} s."


def _write_frames(field: Field4D, target: Path, options: tuple[CameraPath, FilmOptions]) -> str:
    """Write images with depth, normals, masks and cameras."""
    cameras, film = options
    with progress_bar(target.name, film.frames) as on_progress:
        export_frames(field, target, from_front(cameras, field.front), film, on_progress)
    return f"{count_noun(film.frames, 'frame')} with depth, normals, masks and cameras."


def _capture_options(args: Any) -> CaptureOptions:
    """Return the options of a data set."""
    _camera(args)
    return CaptureOptions(args.views, args.frames or CAPTURE_TIMES, args.size, args.radius, args.fovy)


def _write_capture(field: Field4D, target: Path, options: CaptureOptions) -> str:
    with progress_bar(target.name, options.n_images) as on_progress:
        export_capture(field, target, options, on_progress)
    return f"{options.n_views} cameras at {count_noun(options.n_times, 'time')}."


def _viewer_options(args: Any) -> VolumeOptions:
    """Return the options of the viewer, whose duration follows from frames and fps."""
    options = _provided(args, "frames", "resolution")
    if args.fps is not None:
        if not args.fps > 0:
            raise ValueError(f"fps is {args.fps:g}: it must be above 0.")
        options["seconds"] = options.get("frames", VolumeOptions.frames) / args.fps
    if (background := FILM_BACKGROUNDS[args.background]) is not None:
        options["background"] = background
    return VolumeOptions(**options, megabytes=args.megabytes, camera=_camera(args))


def _write_viewer(field: Field4D, target: Path, options: VolumeOptions) -> str:
    """Write the viewer with the scene inside."""
    with progress_bar(target.name, options.frames) as on_progress:
        size = export_html(field, target, options, on_progress)
    return f"{size / 1e6:.1f} MB: open it in a browser."


def _mesh_options(args: Any) -> MeshOptions:
    """Return the options of meshes."""
    options = _provided(args, "frames", "resolution", "fps")
    return MeshOptions(**options, faces=args.faces, texture=args.texture, quantise=args.quantise, time=args.time)


def _mesh_writer(format: str) -> Callable[[Field4D, Path, MeshOptions], str]:
    """Return what writes one of the core's formats of meshes."""

    def write(field: Field4D, target: Path, options: MeshOptions) -> str:
        with progress_bar(target.name, options.frames, "step") as on_progress:
            return export_mesh(field, target, format, options, on_progress).summary()

    return write


def _still_writer(format: str, suffix: str) -> Callable[[Field4D, Path, MeshOptions], str]:
    """Return what writes one moment as one file, where the core's format is a folder of them."""
    write_folder = _mesh_writer(format)

    def write(field: Field4D, target: Path, options: MeshOptions) -> str:
        with TemporaryDirectory(dir=target.parent, prefix=".") as temporary:
            folder = Path(temporary) / "still"
            summary = write_folder(field, folder, options)
            os.replace(folder / f"frame_0000{suffix}", target)
        return summary

    return write


def _splat_options(args: Any) -> SplatOptions:
    """Return the options of Gaussians."""
    return SplatOptions(args.gaussians, args.time or 0.0)


def _splat_writer(write_file: Callable[[Path, Splat], int]) -> Callable[[Field4D, Path, SplatOptions], str]:
    """Return what writes one moment as Gaussians with one of the core's writers."""

    def write(field: Field4D, target: Path, options: SplatOptions) -> str:
        with progress_bar(target.name, VIEWS + 2, "step") as on_progress:
            splat = field_to_splat(field, options, on_progress)
        size = write_file(target, splat)
        return f"{len(splat.means)} Gaussians at time {options.time:g}, y down, {size / 1e6:.1f} MB."

    return write


def _camera(args: Any) -> StaticCamera:
    """Return the camera that the arguments place; an impossible one is refused."""
    camera = StaticCamera(args.elevation, args.azimuth, args.radius, args.fovy)
    camera(1)
    return camera


def _provided(args: Any, *names: str) -> dict[str, Any]:
    """Return those of the arguments that are given: what is chosen otherwise depends on the format."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


FRAMES_ARGS = ("frames", "fps", "size", "plays", "ping_pong", "cameras", "elevation", "azimuth", "radius", "fovy",
               "turns", "time", "eyes")
MESH_ARGS = ("frames", "fps", "time", "resolution", "faces")
CAPTURE_ARGS = ("frames", "size", "views", "radius", "fovy")
SPLAT_ARGS = ("time", "gaussians")
VIEWER_ARGS = ("frames", "fps", "resolution", "megabytes", "background", "elevation", "azimuth", "radius", "fovy")
FILM = ((*FRAMES_ARGS, "background"), _film_options, _write_film)
GLB = ((*MESH_ARGS, "texture", "quantise"), _mesh_options)
MESH = (MESH_ARGS, _mesh_options)

FORMATS = {
    "glb": ExportFormat(".glb", *GLB, _mesh_writer("animated GLB")),
    "flipbook": ExportFormat(".glb", *GLB, _mesh_writer("flip-book GLB")),
    "usd": ExportFormat(".usdc", *MESH, _mesh_writer("USD")),
    "ply": ExportFormat("", *MESH, _mesh_writer("PLY sequence")),
    "obj": ExportFormat("", *MESH, _mesh_writer("OBJ sequence")),
    "splat": ExportFormat(".splat", SPLAT_ARGS, _splat_options, _splat_writer(write_splat_file)),
    "splat-ply": ExportFormat(".ply", SPLAT_ARGS, _splat_options, _splat_writer(write_gaussian_ply)),
    "frames": ExportFormat("", FRAMES_ARGS, _film_options, _write_frames),
    "capture": ExportFormat("", CAPTURE_ARGS, _capture_options, _write_capture),
    "mp4": ExportFormat(".mp4", *FILM),
    "webm": ExportFormat(".webm", *FILM),
    "gif": ExportFormat(".gif", *FILM),
    "webp": ExportFormat(".webp", *FILM),
    "html": ExportFormat(".html", VIEWER_ARGS, _viewer_options, _write_viewer),
}
STILLS = {  # chosen by the ending of --out alone, of one moment
    "one ply": ExportFormat(".ply", *MESH, _still_writer("PLY sequence", ".ply")),
    "one obj": ExportFormat(".obj", *MESH, _still_writer("OBJ sequence", ".obj")),
}
