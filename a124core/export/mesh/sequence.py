"""A folder of meshes, one file for each frame: PLY for tools, OBJ for everything else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ...utils.files import atomic_folder, atomic_write, write_json
from .glb import GENERATOR
from .mesh import Mesh

LIST = "frames.json"
MOST = 1000  # frames, as MeshOptions allows


def check_folder(folder: Path, suffix: str) -> None:
    """Stop, before any work, unless the folder is new, empty, or holds a sequence of this kind that we wrote."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, and a sequence is a folder: choose another name.")
    held = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    if held and (not held <= set(_names(suffix)) or not _is_ours(folder / LIST)):
        raise ValueError(f"{folder} holds other files than a {suffix[1:].upper()} sequence of ours: give a new folder.")


def _names(suffix: str) -> tuple[str, ...]:
    return (*(f"frame_{k:04d}{suffix}" for k in range(MOST)), LIST)


def _is_ours(path: Path) -> bool:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["generator"] == GENERATOR
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_sequence(folder: Path, meshes: list[Mesh], times: np.ndarray, fps: float, suffix: str) -> int:
    """frame_0000.ply ... and frames.json (scene times, fps) -> bytes written. All of it, or the folder is as before."""
    check_folder(folder, suffix)
    write = {".ply": write_ply, ".obj": write_obj}[suffix]
    with atomic_folder(folder, _names(suffix)) as fresh:
        frames = []
        for name, mesh, time in zip(_names(suffix), meshes, times, strict=False):  # more names than frames
            write(fresh / name, mesh)
            frames.append({"file": name, "time": float(time)})
        write_json(fresh / LIST, {"generator": GENERATOR, "fps": fps, "frames": frames})
        return sum(f.stat().st_size for f in fresh.iterdir())


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
        "ply", "format binary_little_endian 1.0", f"comment {GENERATOR}, y up", f"element vertex {len(rows)}",
        *places, *colours, f"element face {len(triangles)}", "property list uchar int vertex_indices", "end_header", "",
    ]  # fmt: skip
    with atomic_write(path) as temporary:
        temporary.write_bytes("\n".join(header).encode() + rows.tobytes() + triangles.tobytes())


def write_obj(path: Path, mesh: Mesh) -> None:
    """Text; each vertex line is x y z r g b with sRGB colours in [0, 1], as MeshLab, Blender and trimesh read them."""
    points = [
        "v {:.6f} {:.6f} {:.6f} {:.4f} {:.4f} {:.4f}".format(*p, *c)
        for p, c in zip(mesh.points, mesh.colours, strict=True)
    ]
    normals = ["vn {:.4f} {:.4f} {:.4f}".format(*n) for n in mesh.normals]
    faces = ["f {0}//{0} {1}//{1} {2}//{2}".format(*face) for face in mesh.faces + 1]
    text = "\n".join((f"# {GENERATOR}, y up", *points, *normals, *faces, ""))
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="ascii")
