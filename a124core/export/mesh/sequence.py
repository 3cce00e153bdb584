"""A folder of meshes, one file for each frame: PLY for tools, OBJ for everything else."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..files import replacing, write_json
from .nouns import Mesh

OURS = re.compile(r"frame_\d{4}\.(ply|obj)|frames\.json")  # what a folder may hold that is written again

WriteMesh = Callable[[Path, Mesh], None]


def write_sequence(folder: Path, meshes: list[Mesh], times: np.ndarray, fps: float, suffix: str) -> int:
    """frame_0000.ply ... and frames.json (scene times, fps) -> bytes written. All of it, or the folder is as before."""
    if folder.exists() and not (folder.is_dir() and all(OURS.fullmatch(f.name) for f in folder.iterdir())):
        raise ValueError(f"{folder} holds other files: give a new folder for the sequence.")
    write = {".ply": write_ply, ".obj": write_obj}[suffix]
    try:
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    except OSError as error:
        raise OSError(f"{folder} was not written ({error.strerror}): choose a folder inside one of yours.") from None
    try:
        files = [f"frame_{k:04d}{suffix}" for k in range(len(meshes))]
        for file, mesh in zip(files, meshes, strict=True):
            write(fresh / file, mesh)
        frames = [{"file": f, "time": float(t)} for f, t in zip(files, times, strict=True)]
        write_json(fresh / "frames.json", {"fps": fps, "frames": frames})
        total = sum(f.stat().st_size for f in fresh.iterdir())
        os.chmod(fresh, 0o755)
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return total


def _swap(fresh: Path, folder: Path) -> None:
    """The new folder takes the old one's place; the old one goes last. `fresh` names what is to be thrown away then."""
    if not folder.exists():
        os.replace(fresh, folder)
        return
    old = fresh.with_name(fresh.name + "-old")
    os.replace(folder, old)
    os.replace(fresh, folder)
    shutil.rmtree(old, ignore_errors=True)


def write_ply(path: Path, mesh: Mesh) -> None:
    """Binary, little-endian: position, normal, 8-bit sRGB colour."""
    rows = np.empty(len(mesh.points), [("place", "<f4", 6), ("colour", "u1", 3)])
    rows["place"] = np.concatenate((mesh.points, mesh.normals), axis=1)
    rows["colour"] = np.round(mesh.colours * 255.0)
    triangles = np.empty(len(mesh.faces), [("count", "u1"), ("corners", "<i4", 3)])
    triangles["count"], triangles["corners"] = 3, mesh.faces
    places = [f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")]
    colours = [f"property uchar {name}" for name in ("red", "green", "blue")]
    header = [
        "ply", "format binary_little_endian 1.0", "comment ComfyUI-Animate124, y up", f"element vertex {len(rows)}",
        *places, *colours, f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", "",
    ]  # fmt: skip
    with replacing(path) as temporary:
        temporary.write_bytes("\n".join(header).encode() + rows.tobytes() + triangles.tobytes())


def write_obj(path: Path, mesh: Mesh) -> None:
    """Text; each vertex line is x y z r g b with sRGB colours in [0, 1], as MeshLab, Blender and trimesh read them."""
    points = [
        "v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}".format(*p, *c)
        for p, c in zip(mesh.points, mesh.colours, strict=True)
    ]
    normals = ["vn {:.4f} {:.4f} {:.4f}".format(*n) for n in mesh.normals]
    faces = ["f {0}//{0} {1}//{1} {2}//{2}".format(*face) for face in mesh.faces + 1]
    text = "\n".join(("# ComfyUI-Animate124, y up", *points, *normals, *faces, ""))
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="ascii")
