"""MESH, SPLAT and FILE_3D of the host to models of ours.

MESH: vertices (B, N, 3), faces (B, M, 3), optional uvs, vertex_colors in linear light and texture (B, H, W, 3), with
vertex_counts and face_counts (B,) where items are padded. SPLAT: positions, scales, rotations (w, x, y, z), opacities
and sh (B, N, ...), y downwards, with counts (B,). FILE_3D: a file on disk or in memory with its format.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...a124core.models3d.from_tensors import MeshTensors, gaussians_from_tensors, mesh_from_tensors
from ...a124core.models3d.read import ANY_UP, MAX_FRAMES, LoadedModel, loaded_model, read_model
from ...a124core.models3d.read_ply import ADVICE
from .runtime import host_module

SPLAT_COLUMNS = ("positions", "scales", "rotations", "opacities", "sh")
SPLAT_UP = "-y"  # as the host's own nodes turn it (nodes_gaussian_splat.py of ComfyUI 0.28.1)
TYPES = {"SPLAT": "SPLAT", "FILE_3D": "File3D"}  # socket types that came later -> names in comfy_api.latest.Types
FILE_SOCKETS = (
    "FILE_3D", "FILE_3D_GLB", "FILE_3D_OBJ", "FILE_3D_PLY", "FILE_3D_SPLAT", "FILE_3D_SPZ", "FILE_3D_SPLAT_ANY",
)


def has_type(socket: str) -> bool:
    """Return whether the host knows a socket type; True without a host."""
    api = host_module("comfy_api.latest")
    return api is None or hasattr(getattr(api, "Types", None), TYPES[socket])


def from_mesh(mesh: Any) -> LoadedModel:
    """Read a MESH: an item is a model at rest, several are a sequence in time."""
    vertices, faces = (_batch(mesh, name, "MESH") for name in ("vertices", "faces"))
    optional = {name: _optional(mesh, name) for name in ("vertex_colors", "uvs", "texture")}
    frames, notes = [], []
    for b in range(_count(vertices, "MESH")):
        rows, triangles = (_rows(mesh, name, b) for name in ("vertex_counts", "face_counts"))
        colours, uv = (None if v is None else v[b][:rows] for v in (optional["vertex_colors"], optional["uvs"]))
        texture = optional["texture"]
        texture = None if texture is None else texture[min(b, len(texture) - 1)]
        model, changes = mesh_from_tensors(
            MeshTensors(vertices[b][:rows], faces[b][:triangles], colours, uv, texture), "the MESH"
        )
        frames.append(model)
        notes.append(changes)
    return loaded_model(frames, notes[0], ANY_UP)


def from_splat(splat: Any) -> LoadedModel:
    """Read a SPLAT: an item is a model at rest, several are a sequence in time."""
    columns = [_batch(splat, name, "SPLAT") for name in SPLAT_COLUMNS]
    frames, notes = [], []
    for b in range(_count(columns[0], "SPLAT")):
        rows = _rows(splat, "counts", b)
        model, changes = gaussians_from_tensors(*(column[b][:rows] for column in columns), "the SPLAT")
        frames.append(model)
        notes.append(changes)
    return loaded_model(frames, notes[0], SPLAT_UP)


def from_file_3d(file: Any) -> LoadedModel:
    """Read a FILE_3D; one in memory is written to a file that is deleted again."""
    if not all(hasattr(file, name) for name in ("format", "get_source", "get_bytes")):
        raise ValueError(f"a {type(file).__name__} came as a 3D file: wire the model_3d output of a loader.")
    suffix = f".{str(file.format).lower()}"
    source = file.get_source()
    if isinstance(source, str) and Path(source).suffix.lower() == suffix:
        return read_model(source, ANY_UP)
    if suffix == ".":
        raise ValueError(f"the 3D file does not say its format: {ADVICE}.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        path.write_bytes(file.get_bytes())
        try:
            return read_model(path, ANY_UP)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), "the 3D file")) from None


def _batch(value: Any, name: str, kind: str) -> Tensor:
    """Return a field of a batch as a tensor of our own."""
    tensor = getattr(value, name, None)
    if not isinstance(tensor, Tensor) or tensor.ndim < 3:
        raise ValueError(f"a {type(value).__name__} without {name} came as {kind}: wire a {kind} as the host makes it.")
    return _own(tensor)


def _optional(value: Any, name: str) -> Tensor | None:
    tensor = getattr(value, name, None)
    return None if tensor is None else _own(tensor)


def _own(tensor: Tensor) -> Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else torch.int64
    return tensor.detach().to("cpu", dtype, copy=True)


def _count(tensor: Tensor, kind: str) -> int:
    """Return how many items there are."""
    if not 1 <= len(tensor) <= MAX_FRAMES:
        raise ValueError(f"the {kind} holds {len(tensor)} items: give 1, or up to {MAX_FRAMES} as a sequence in time.")
    return len(tensor)


def _rows(value: Any, name: str, item: int) -> int | None:
    """Return how many rows of an item are not padding; None: all."""
    counts = getattr(value, name, None)
    return None if counts is None else int(counts[item])
