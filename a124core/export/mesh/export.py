"""The formats of a mesh export: a field and a path in, files and a report out. Earlier files stay until the new ones
are complete."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...protocols import Field
from ...utils.files import atomic_folder, check_folder, write_json
from ...utils.json_files import read_json
from ...utils.progress import OnProgress
from ...utils.validate import plain_name
from .build import MeshBuild, MeshReport, build
from .colour import bake_texture
from .gltf import GENERATOR, gltf, write_glb
from .mesh import write_mesh
from .options import MAX_GLB_BYTES, MeshOptions
from .usd import require_usd, write_usd

INDEX = "frames.json"  # of a folder of meshes
MAX_FRAMES = 1000  # as MeshOptions allows


@dataclass(frozen=True)
class MeshFormat:
    """A way to store a sequence of meshes."""

    suffixes: tuple[str, ...]  # of the file, the usual one first; none: a folder with a file for each frame
    tracked: bool  # one mesh that follows the scene, or a few in turn; False: a mesh of its own for each frame
    write: Callable[[Path, MeshBuild, MeshOptions], int]  # -> bytes
    check: Callable[[Path], object] = lambda path: None  # raises before minutes of work where write() would fail
    max_bytes: int | None = None

    @property
    def suffix(self) -> str:
        return self.suffixes[0] if self.suffixes else ""


def export_mesh(
    field: Field,
    path: str | Path,  # a folder for a sequence: new, or with an earlier sequence of the same format
    format: str,  # one of FORMATS
    options: MeshOptions,
    on_progress: OnProgress | None = None,
) -> MeshReport:
    """Extract, register and colour meshes of a field, and write them."""
    target, path = FORMATS[format], Path(path)
    check_path(path, target.suffixes)
    target.check(path)
    built = build(field, options, target.tracked, on_progress, target.max_bytes)
    if target.suffix == ".glb":
        format = "animated GLB" if built.sequence.moves else "flip-book GLB" if len(built.times) > 1 else "still GLB"
    return MeshReport(path, format[0].upper() + format[1:], target.write(path, built, options), built)


def check_path(path: Path, suffixes: tuple[str, ...] = ()) -> None:
    """Refuse a path whose last part some system does not take, or that does not end in one of the suffixes."""
    if ".." in path.parts:
        raise ValueError(f"{str(path)!r} is no plain file name: leave out '..'.")
    plain_name(path.name)
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f"the name {path.name!r} does not end in {' or '.join(suffixes)}: rename it.")


def _write_glb(path: Path, built: MeshBuild, options: MeshOptions) -> int:
    atlases = [
        bake_texture(segment, options.texture, built.colours) if options.texture else None
        for segment in built.sequence.segments
    ]
    return write_glb(path, *gltf(built.sequence, atlases, options.quantise))


def _folder_format(suffix: str) -> MeshFormat:
    """Return the format of a folder: frame_0000.ply (or .obj) and so on, and INDEX with scene times and fps."""
    names = (*(f"frame_{k:04d}{suffix}" for k in range(MAX_FRAMES)), INDEX)

    def write(folder: Path, built: MeshBuild, options: MeshOptions) -> int:
        with atomic_folder(folder, names, _check_written_here) as fresh:
            frames = [{"file": name, "time": float(time)} for name, time in zip(names, built.times, strict=False)]
            for k, frame in enumerate(frames):
                write_mesh(fresh / frame["file"], built.sequence.mesh(k))
            write_json(fresh / INDEX, {"generator": GENERATOR, "fps": options.fps, "frames": frames})
            return sum(file.stat().st_size for file in fresh.iterdir())

    return MeshFormat((), False, write, check=lambda folder: check_folder(folder, names, _check_written_here))


def _check_written_here(folder: Path) -> None:
    try:
        generator = read_json(folder / INDEX, "give a folder of meshes").get("generator")
    except ValueError:
        generator = None
    if generator != GENERATOR:
        raise ValueError(f"{folder} was not written by this program: choose a new or empty folder.")


FORMATS = {
    "animated GLB": MeshFormat((".glb",), True, _write_glb, max_bytes=MAX_GLB_BYTES),
    "flip-book GLB": MeshFormat((".glb",), False, _write_glb, max_bytes=MAX_GLB_BYTES),
    "USD": MeshFormat(
        (".usdc", ".usd", ".usda"), True, lambda path, built, options: write_usd(path, built.sequence),
        check=lambda path: require_usd(),
    ),
    "PLY sequence": _folder_format(".ply"),
    "OBJ sequence": _folder_format(".obj"),
}
