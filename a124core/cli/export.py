"""A saved field to what other programs open."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..export.checkpoint import load_field
from ..export.mesh import MeshOptions
from ..export.viewer.volume import VolumeOptions
from ..field.field4d import Field4D
from ..utils.device import is_out_of_memory
from ..utils.text import unused_note
from ..utils.validate import plain_name
from .camera_args import BACKGROUNDS, add_camera_args, add_film_args
from .export_request import ExportRequest
from .folder import created_folder
from .machine import available_device
from .writers import WRITERS

ALL = "all"
FOLDERS = [name for name, (ending, *_) in WRITERS.items() if not ending]
OTHER_ENDINGS = {".usd": "usd", ".usda": "usd", ".htm": "html"}  # also written, by the same formats


def add_export_args(p: argparse.ArgumentParser) -> None:
    p.add_argument("field", type=Path, help="field.safetensors")
    p.add_argument("--format", choices=(*WRITERS, ALL), help="left out: as --out ends. glb, usd: one moving "
                   "mesh; flipbook, ply, obj: a mesh for each frame. frames: PNG with alpha, depth, normals, masks and "
                   "transforms.json. capture: the same from cameras all around, a data set. html: the viewer with the "
                   "scene inside. all: one of each, into a folder")
    p.add_argument("--out", type=Path, required=True, help="the file; a folder for ply, obj, frames, capture and all")
    add_film_args(p)
    p.add_argument("--background", choices=tuple(BACKGROUNDS), default="transparent", help="of films; MP4 and the "
                   "viewer are white where the others are transparent (%(default)s)")
    p.add_argument("--views", type=int, default=24, help="cameras of a capture; --frames are its times (%(default)s)")
    add_camera_args(p)
    mesh = p.add_argument_group("meshes and viewer")
    mesh.add_argument("--resolution", type=int, help=f"cells along the subject's longest side (meshes: "
                      f"{MeshOptions.resolution}, viewer: {VolumeOptions.resolution})")
    mesh.add_argument("--faces", type=int, default=MeshOptions.faces, help="triangles of a mesh (%(default)s)")
    mesh.add_argument("--texture", type=int, default=MeshOptions.texture, metavar="SIDE", help="pixels a side of a "
                      "picture for a GLB's colours; 0: a colour at each vertex (%(default)s)")
    mesh.add_argument("--quantise", action="store_true", help="a GLB of half the size, with KHR_mesh_quantization")
    mesh.add_argument("--megabytes", type=float, default=VolumeOptions.megabytes, help="most that the viewer's scene "
                      "may take (%(default)s)")


def export_file(options: object) -> None:
    """Check everything that can be checked, load, write."""
    out = Path(options.out)
    form = resolve_format(options.format, out)
    request = check_request(options, form)
    if note := unused_note(form, unused_options(options, form)):
        print(note)
    field = load_field(options.field)
    if form != ALL:
        _write(form, field, out, request)
        return
    failed = [name for name in WRITERS if not _try_write(name, field, out / _usual_name(name), request)]
    if failed:
        raise ValueError(f"not written, for the reasons above: {', '.join(failed)}.")


def check_request(options: object, form: str) -> ExportRequest:
    """Check the options of this format before anything is loaded or written."""
    request = ExportRequest(options)
    available_device(options.device)
    for name in WRITERS if form == ALL else (form,):
        try:
            WRITERS[name][3](request)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") if form == ALL else error from None
    return request


def unused_options(options: object, form: str) -> list[str]:
    """Name the options that were given and that this format does not use."""
    if form == ALL:
        return []
    changed = {name for name, value in default_options().items() if getattr(options, name) != value}
    return [f"--{name.replace('_', '-')}" for name in sorted(changed - {*WRITERS[form][2]})]


def default_options() -> dict[str, object]:
    """Return the defaults of the options that only some formats use."""
    parser = argparse.ArgumentParser()
    add_export_args(parser)
    used = {option for _, _, options, _ in WRITERS.values() for option in options}
    return {name: parser.get_default(name) for name in used}


def _write(name: str, field: Field4D, target: Path, request: ExportRequest) -> None:
    with created_folder(target.parent):
        summary = WRITERS[name][1](field, Path(os.path.abspath(target)), request)  # ".." is fine here, not in a node
    print(f"Written: {target}  {summary}")


def _try_write(name: str, field: Field4D, target: Path, request: ExportRequest) -> bool:
    """Write one of many formats: a fault costs this one only. False if it failed; a missing package is no failure."""
    try:
        _write(name, field, target, request)
    except (RuntimeError, ValueError) as error:
        print(f"Left out: {target}: {error}", file=sys.stderr)
        return not isinstance(error, ValueError) and not is_out_of_memory(error)
    return True


def resolve_format(requested: str | None, out: Path) -> str:
    """Return the format, from the option or the suffix; both must agree."""
    plain_name(out.name)
    by_ending = {ending: name for name, (ending, *_) in reversed(WRITERS.items()) if ending} | OTHER_ENDINGS
    by_suffix = by_ending.get(out.suffix.lower())
    form = requested or by_suffix
    if form is None:
        endings = ", ".join(sorted(by_ending))
        raise ValueError(
            f"the name {out.name!r} does not say the format: let it end in one of {endings}, or add "
            f"--format ({', '.join(sorted(WRITERS))}; {', '.join(FOLDERS)} write a folder)."
        )
    ending = WRITERS[form][0] if form != ALL else ""
    if ending and (by_suffix is None or WRITERS[by_suffix][0] != ending):
        raise ValueError(f"{out.name} does not end in {ending}, as --format {form} writes it: rename it.")
    return form


def _usual_name(form: str) -> str:
    """In a folder of all formats."""
    ending = WRITERS[form][0]
    return f"{'flipbook' if form == 'flipbook' else 'scene'}{ending}" if ending else form
