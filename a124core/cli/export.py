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
from .camera_args import BACKGROUNDS, camera_words, film_words
from .export_request import ExportRequest
from .folder import created_folder
from .writers import WRITERS

ALL = "all"
FOLDERS = [name for name, (ending, *_) in WRITERS.items() if not ending]
OTHER_ENDINGS = {".usd": "usd", ".usda": "usd", ".htm": "html"}  # also written, by the same formats


def export_words(p: argparse.ArgumentParser) -> None:
    p.add_argument("field", type=Path, help="field.safetensors")
    p.add_argument("--format", choices=(*WRITERS, ALL), help="left out: as --out ends. glb, usd: one moving "
                   "mesh; flipbook, ply, obj: a mesh for each frame. frames: PNG with alpha, depth, normals, masks and "
                   "transforms.json. capture: the same from cameras all around, a data set. html: the viewer with the "
                   "scene inside. all: one of each, into a folder")  # fmt: skip
    p.add_argument("--out", type=Path, required=True, help="the file; a folder for ply, obj, frames, capture and all")
    film_words(p)
    p.add_argument("--background", choices=tuple(BACKGROUNDS), default="transparent", help="of films; MP4 and the "
                   "viewer are white where the others are transparent (%(default)s)")  # fmt: skip
    p.add_argument("--views", type=int, default=24, help="cameras of a capture; --frames are its moments (%(default)s)")
    camera_words(p)
    mesh = p.add_argument_group("meshes and viewer")
    mesh.add_argument("--resolution", type=int, help=f"cells along the subject's longest side (meshes: "
                      f"{MeshOptions.resolution}, viewer: {VolumeOptions.resolution})")  # fmt: skip
    mesh.add_argument("--faces", type=int, default=MeshOptions.faces, help="triangles of a mesh (%(default)s)")
    mesh.add_argument("--texture", type=int, default=MeshOptions.texture, metavar="SIDE", help="pixels a side of a "
                      "picture for a GLB's colours; 0: a colour at each vertex (%(default)s)")  # fmt: skip
    mesh.add_argument("--quantise", action="store_true", help="a GLB of half the size, with KHR_mesh_quantization")
    mesh.add_argument("--megabytes", type=float, default=VolumeOptions.megabytes, help="most that the viewer's scene "
                      "may take (%(default)s)")  # fmt: skip


def export_file(options: object) -> None:
    """Check everything that can be checked, load, write."""
    out = Path(options.out)
    form = checked_format(options.format, out)
    asked = checked_wishes(options, form)
    if note := unused_note(form, unheard(options, form)):
        print(note)
    field = load_field(options.field)
    if form != ALL:
        _written(form, field, out, asked)
        return
    failed = [name for name in WRITERS if not _tried(name, field, out / _usual_name(name), asked)]
    if failed:
        raise ValueError(f"not written, for the reasons above: {', '.join(failed)}.")


def checked_wishes(options: object, form: str) -> ExportRequest:
    """The words that this format hears, checked before anything is loaded or written."""
    asked = ExportRequest(options, options.frames)
    asked.device  # noqa: B018 (checked by being made)
    for name in WRITERS if form == ALL else (form,):
        try:
            WRITERS[name][3](asked)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") if form == ALL else error from None
    return asked


def unheard(options: object, form: str) -> list[str]:
    """The words that were said and that this format has no use for."""
    if form == ALL:
        return []
    said = {name for name, value in usual_words().items() if getattr(options, name) != value}
    return [f"--{name.replace('_', '-')}" for name in sorted(said - {*WRITERS[form][2]})]


def usual_words() -> dict[str, object]:
    """What a word that only some formats hear is when nobody says it."""
    parser = argparse.ArgumentParser()
    export_words(parser)
    heard = {word for _, _, words, _ in WRITERS.values() for word in words}
    return {name: parser.get_default(name) for name in heard}


def _written(name: str, field: Field4D, target: Path, asked: ExportRequest) -> None:
    with created_folder(target.parent):
        said = WRITERS[name][1](field, Path(os.path.abspath(target)), asked)  # ".." is fine here, not in a node
    print(f"Written: {target}  {said}")


def _tried(name: str, field: Field4D, target: Path, asked: ExportRequest) -> bool:
    """One of many: what is missing or does not fit costs this one only. False if it went wrong; a package that is not
    installed is no failure."""
    try:
        _written(name, field, target, asked)
    except (RuntimeError, ValueError) as error:
        print(f"Left out: {target}: {error}", file=sys.stderr)
        return not isinstance(error, ValueError) and not is_out_of_memory(error)
    return True


def checked_format(wanted: str | None, out: Path) -> str:
    """The format, from the option or the ending; both must agree."""
    plain_name(out.name)
    by_ending = {ending: name for name, (ending, *_) in reversed(WRITERS.items()) if ending} | OTHER_ENDINGS
    found = by_ending.get(out.suffix.lower())
    form = wanted or found
    if form is None:
        endings = ", ".join(sorted(by_ending))
        raise ValueError(
            f"the name {out.name!r} does not say which format is wanted: let it end in one of {endings}, or add "
            f"--format ({', '.join(sorted(WRITERS))}; {', '.join(FOLDERS)} write a folder)."
        )
    ending = WRITERS[form][0] if form != ALL else ""
    if ending and (found is None or WRITERS[found][0] != ending):
        raise ValueError(f"{out.name} does not end in {ending}, as --format {form} writes it: rename it.")
    return form


def _usual_name(form: str) -> str:
    """In a folder of all formats."""
    ending = WRITERS[form][0]
    return f"{'flipbook' if form == 'flipbook' else 'scene'}{ending}" if ending else form
