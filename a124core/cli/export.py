"""A saved field to what other programs open."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from ..export.checkpoint import load_field
from ..export.mesh import MeshOptions
from ..export.splat.gaussians import SplatOptions
from ..export.viewer.volume import VolumeOptions
from ..field.field4d import Field4D
from ..utils.device import is_out_of_memory
from ..utils.text import unused_note
from ..utils.validate import plain_name
from .camera_args import FILM_BACKGROUNDS, add_camera_args, add_film_args
from .export_formats import FORMATS, STILLS
from .folder import created_folder, refuse_overwriting
from .machine import available_device

ALL = "all"
BY_NAME = FORMATS | STILLS
STILL_ENDINGS = {form.suffix: name for name, form in STILLS.items()}
OTHER_ENDINGS = {".usd": "usd", ".usda": "usd", ".htm": "html"}  # also written, by the same formats


def add_export_args(p: argparse.ArgumentParser) -> None:
    """Add the options of `export`, of all formats."""
    p.add_argument("field", type=Path, help="field.safetensors")
    p.add_argument("--format", choices=(*FORMATS, ALL), help="left out: as --out ends (.ply and .obj: with "
                   "--time, one file). glb, usd: one moving "
                   "mesh; flipbook, ply, obj: a mesh for each frame. splat, splat-ply: Gaussians of one --time. "
                   "frames: PNG with alpha, depth, normals, masks and transforms.json. capture: the same from cameras "
                   "all around, a data set. html: the viewer with the scene inside. all: one of each, into a folder")
    p.add_argument("--out", type=Path, required=True, help="the file; a folder for ply, obj, frames, capture and all")
    add_film_args(p)
    p.add_argument("--background", choices=tuple(FILM_BACKGROUNDS), default="transparent", help="of videos; MP4 and "
                   "the viewer are white where the others are transparent (%(default)s)")
    p.add_argument("--views", type=int, default=24, help="cameras of a capture; --frames are its times (%(default)s)")
    add_camera_args(p)
    mesh = p.add_argument_group("meshes, Gaussians and viewer")
    mesh.add_argument("--resolution", type=int, help=f"cells along the subject's longest side (meshes: "
                      f"{MeshOptions.resolution}, viewer: {VolumeOptions.resolution})")
    mesh.add_argument("--faces", type=int, default=MeshOptions.faces, help="triangles of a mesh (%(default)s)")
    mesh.add_argument("--texture", type=int, default=MeshOptions.texture, metavar="SIDE", help="pixels a side of a "
                      "picture for a GLB's colours; 0: a colour at each vertex (%(default)s)")
    mesh.add_argument("--quantise", action="store_true", help="a GLB of half the size, with KHR_mesh_quantization")
    mesh.add_argument("--gaussians", type=int, default=SplatOptions.gaussians, help="at most, of splat and splat-ply "
                      "(%(default)s)")
    mesh.add_argument("--megabytes", type=float, default=VolumeOptions.megabytes, help="most that the viewer's scene "
                      "may take (%(default)s)")


def export_file(options: object) -> None:
    """Check everything that can be checked, load, write."""
    out = Path(options.out)
    form = resolve_format(options.format, out, options.time is not None or options.frames == 1)
    checked = check_options(options, form)
    if note := unused_note(form, unused_options(options, form)):
        print(note)
    refuse_overwriting(options.field, *([_target(name, out) for name in checked] if form == ALL else [out]))
    field = load_field(options.field).to(options.device)
    if form != ALL:
        _write(form, field, out, checked[form])
        return
    failed = [name for name, its in checked.items() if not _try_write(name, field, out, its)]
    if failed:
        raise ValueError(f"not written, for the reasons above: {', '.join(failed)}.")


def check_options(options: object, form: str) -> dict[str, Any]:
    """Return the core's options of this format, or of all, by format, before anything is loaded or written."""
    available_device(options.device)
    checked = {}
    for name in FORMATS if form == ALL else (form,):
        try:
            checked[name] = BY_NAME[name].options(options)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") if form == ALL else error from None
    return checked


def unused_options(options: object, form: str) -> list[str]:
    """Name the options that were changed and that only other formats use."""
    if form == ALL:
        return []
    parser = argparse.ArgumentParser()
    add_export_args(parser)
    others = {name for other in FORMATS.values() for name in other.arguments} - {*BY_NAME[form].arguments}
    changed = (name for name in sorted(others) if getattr(options, name) != parser.get_default(name))
    return [f"--{name.replace('_', '-')}" for name in changed]


def _write(name: str, field: Field4D, target: Path, options: Any) -> None:
    with created_folder(target.parent):
        absolute = Path(os.path.abspath(target))  # ".." is fine here, not in a node
        summary = BY_NAME[name].write(field, absolute, options)
    print(f"Written: {target}  {summary}")


def _try_write(name: str, field: Field4D, folder: Path, options: Any) -> bool:
    """Write one of all formats: a fault costs this one only. False if it failed; a missing package is no failure."""
    target = _target(name, folder)
    try:
        _write(name, field, target, options)
    except (RuntimeError, ValueError) as error:
        print(f"Left out: {target}: {error}", file=sys.stderr)
        return not isinstance(error, ValueError) and not is_out_of_memory(error)
    return True


def _target(name: str, folder: Path) -> Path:
    """Return where one of all formats goes."""
    suffix, stem = FORMATS[name].suffix, "flipbook" if name == "flipbook" else "scene"
    return folder / (f"{stem}{suffix}" if suffix else name)


def resolve_format(requested: str | None, out: Path, still: bool) -> str:
    """Return the format, from the option or the suffix; both must agree. still: one moment is asked for."""
    plain_name(out.name)
    if requested is None and (name := STILL_ENDINGS.get(out.suffix.lower())):
        if not still:
            raise ValueError(
                f"a {out.suffix[1:].upper()} export is a folder with a file for each frame: add --format "
                f"{out.suffix[1:].lower()}, or --time 0.5 for one file of that moment."
            )
        return name
    by_ending = {form.suffix: name for name, form in reversed(FORMATS.items()) if form.suffix} | OTHER_ENDINGS
    by_suffix = by_ending.get(out.suffix.lower())
    form = requested or by_suffix
    if form is None:
        raise ValueError(
            f"the name {out.name!r} does not say the format: let it end in .mp4 or .gif (a video), .glb (a moving "
            "mesh) or .html (a page to turn it), or add --format, whose choices --help lists."
        )
    ending = FORMATS[form].suffix if form != ALL else ""
    if ending and (by_suffix is None or FORMATS[by_suffix].suffix != ending):
        raise ValueError(f"{out.name} does not end in {ending}, as --format {form} writes it: rename it.")
    return form
