"""Frames of an animated GLB that Export mesh wrote: one mesh and a morph target for each further frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..export.mesh.gltf import GENERATOR
from ..models3d.glb_checks import COMPONENTS, GlbFile, checked_glb
from ..models3d.glb_plain import TYPES
from ..utils.text import first_line

ADVICE = "give an animated GLB of this program, or a folder with one mesh for each frame (.ply, .obj or .glb)"


def read_animated_glb(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices (T, V, 3) and faces (F, 3), in the field's world; ValueError: no such file, or one in several
    pieces, whose points do not go on from piece to piece."""
    glb = checked_glb(path)
    document = glb.document
    if document.get("asset", {}).get("generator") != GENERATOR:
        raise ValueError(f"{path} was not written by this program: {ADVICE}.")
    if len(document.get("meshes", [])) != 1:
        raise ValueError(f"{path} holds {len(document.get('meshes', []))} pieces, whose points do not go on: {ADVICE}.")
    try:
        return _frames(glb, document)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({first_line(error)}): {ADVICE}.") from None


def _frames(glb: GlbFile, document: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    (primitive,) = document["meshes"][0]["primitives"]
    scale = next((node.get("scale", [1.0])[0] for node in document["nodes"] if node.get("mesh") == 0), 1.0)
    first = _values(glb, primitive["attributes"]["POSITION"])
    moves = [_values(glb, target["POSITION"]) for target in primitive.get("targets", [])]
    faces = _values(glb, primitive["indices"]).astype(np.int64).reshape(-1, 3)
    if faces.max() >= len(first):
        raise ValueError("a face without a vertex")
    return scale * np.stack([first, *(first + move for move in moves)]), faces


def _values(glb: GlbFile, index: int) -> np.ndarray:  # (N, C), or (N,) of single numbers
    """Return an accessor's values, normalised integers as numbers in [-1, 1] (glTF 2.0, 3.6.2.2)."""
    accessor = glb.document["accessors"][index]
    view = glb.document["bufferViews"][accessor["bufferView"]]
    kind, columns = np.dtype(TYPES[accessor["componentType"]]), COMPONENTS[accessor["type"]]
    start = glb.start + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    row, stride = kind.itemsize * columns, view.get("byteStride", kind.itemsize * columns)
    raw = np.fromfile(glb.path, np.uint8, stride * (accessor["count"] - 1) + row, offset=start)
    rows = np.lib.stride_tricks.as_strided(raw, (accessor["count"], row), (stride, 1))
    values = np.ascontiguousarray(rows).view(kind).astype(np.float64)
    if accessor.get("normalized"):
        values = np.maximum(values / np.iinfo(kind).max, -1.0)
    return values if columns > 1 else values[:, 0]
