"""A saved field to what other programs open."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ..camera_paths import Still
from ..checks import plain_name
from ..export.capture import CaptureOptions
from ..export.checkpoint import load_field
from ..export.film import WHITE
from ..export.mesh import MeshOptions
from ..export.volume import VolumeOptions
from .looks import BACKGROUNDS, camera_words, chosen_film, chosen_path, film_words, make_folder
from .machine import checked_device
from .writers import WRITERS, Wishes

ALL = "all"
OTHER_ENDINGS = {".usd": "usd", ".usda": "usd", ".htm": "html"}  # also written, by the same formats


def export_words(p: argparse.ArgumentParser) -> None:
    p.add_argument("field", type=Path, help="field.safetensors")
    p.add_argument("--format", choices=(*WRITERS, ALL), help="left out: as --out ends. glb: one moving mesh; flipbook, "
                   "usd, ply, obj: a mesh for each frame. frames: PNG with alpha, depth, normals, masks and "
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
    asked = wishes(options)
    field = load_field(options.field)
    jobs = {form: out} if form != ALL else {name: out / _usual_name(name) for name in WRITERS}
    for name, target in jobs.items():
        make_folder(target.parent)
        try:
            said = WRITERS[name][1](field, Path(os.path.abspath(target)), asked)  # ".." is fine here, not in a node
            print(f"Written: {target}  {said}")
        except RuntimeError as error:  # an optional package is missing: the others can still be written
            if form != ALL:
                raise
            print(f"Left out: {target}: {error}", file=sys.stderr)


def wishes(options: object) -> Wishes:
    """All words of the command line, checked before anything is loaded or written."""
    frames = options.frames
    path = chosen_path(options)
    ground = BACKGROUNDS[options.background]
    film = chosen_film(options, ground)
    capture = CaptureOptions(options.views, frames or 16, options.size, options.radius, options.fovy)
    given = {name: value for name, value in (("frames", frames), ("resolution", options.resolution)) if value}
    pace = {} if options.fps is None else {"fps": options.fps}
    mesh = MeshOptions(**given, **pace, faces=options.faces, texture=options.texture, quantise=options.quantise,
                       moment=options.time)  # fmt: skip
    lasts = {} if options.fps is None or frames is None else {"seconds": frames / options.fps}
    camera = Still(options.elevation, options.azimuth, options.radius, options.fovy)
    viewer = VolumeOptions(**given, **lasts, megabytes=options.megabytes, background=ground or WHITE, camera=camera)
    return Wishes(path, film, capture, mesh, viewer, checked_device(options.device))


def checked_format(wanted: str | None, out: Path) -> str:
    """The format, from the option or the ending; both must agree."""
    plain_name(out.name)
    by_ending = {ending: name for name, (ending, _) in reversed(WRITERS.items()) if ending} | OTHER_ENDINGS
    found = by_ending.get(out.suffix.lower())
    form = wanted or found
    if form is None:
        raise ValueError(f"{out.name} ends in {out.suffix!r}: use one of {', '.join(by_ending)}, or say --format.")
    ending = WRITERS[form][0] if form != ALL else ""
    if ending and (found is None or WRITERS[found][0] != ending):
        raise ValueError(f"{out.name} does not end in {ending}, as --format {form} writes it: rename it.")
    return form


def _usual_name(form: str) -> str:
    """In a folder of all formats."""
    ending = WRITERS[form][0]
    return f"{'flipbook' if form == 'flipbook' else 'scene'}{ending}" if ending else form
