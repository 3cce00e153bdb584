"""A mesh sequence as binary glTF: a mesh with morph targets for each segment; the animation drives their weights, and
switches segments. Written here: trimesh writes neither morph targets nor their animation."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.files import atomic_write
from ...utils.srgb import srgb_to_linear
from ...utils.text import format_bytes
from .colour import UvAtlas
from .mesh import MeshSequence, Segment
from .options import MAX_GLB_BYTES

GENERATOR = "ComfyUI-Animate124"
UNLIT, QUANTISED = "KHR_materials_unlit", "KHR_mesh_quantization"
INT16_ONE, INT8_ONE = 32767, 127  # 1.0 as a normalised integer
MAX_CLIPPED_NORMALS = 0.01  # share of normals whose displacement may be clipped when it is stored in eight bits
ARRAY, INDICES = 34962, 34963  # bufferView targets (glTF 2.0, 5.11.5)
COMPONENT_TYPES = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class Buffer:
    """The binary chunk, with its bufferViews and accessors; it grows while a document is made."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add_view(self, data: bytes, **properties: int) -> int:
        """Append bytes at the next multiple of four; return the index of their bufferView."""
        self.data.extend(b"\0" * (-len(self.data) % 4))
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **properties})
        self.data.extend(data)
        return len(self.views) - 1

    def add_accessor(self, values: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """Append values (N,) or (N, C), integers of C > 1 columns as normalised; return the index of their accessor."""
        columns = 1 if values.ndim == 1 else values.shape[1]
        properties: dict[str, int] = {} if target is None else {"target": target}
        rows = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        if target == ARRAY:  # vertices must start at multiples of four bytes
            rows = np.pad(rows, ((0, 0), (0, -columns * rows.itemsize % 4 // rows.itemsize)))
            properties["byteStride"] = rows.shape[1] * rows.itemsize
        accessor: dict[str, Any] = {
            "bufferView": self.add_view(rows.tobytes(), **properties),
            "componentType": COMPONENT_TYPES[values.dtype.str[1:]],
            "count": len(values),
            "type": TYPES[columns],
        }
        if values.dtype.kind != "f" and columns > 1:
            accessor["normalized"] = True
        if bounds:
            accessor |= {"min": np.atleast_1d(values.min(0)).tolist(), "max": np.atleast_1d(values.max(0)).tolist()}
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def write_glb(path: Path, document: dict[str, Any], buffer: Buffer) -> int:
    """Write header, JSON chunk and binary chunk; return the size in bytes."""
    document = {
        "asset": {"version": "2.0", "generator": GENERATOR},
        **document,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    padding = b"\0" * (-len(buffer.data) % 4)
    size = len(buffer.data) + len(padding)
    total = 12 + 8 + len(text) + 8 + size
    if total > MAX_GLB_BYTES:
        raise ValueError(
            f"{path} would have {format_bytes(total)}, and a GLB holds {format_bytes(MAX_GLB_BYTES)} at most: choose "
            "fewer frames or faces, or a smaller texture."
        )
    with atomic_write(path) as temporary, open(temporary, "wb") as out:
        out.write(struct.pack("<III", MAGIC, VERSION, total))
        out.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
        out.write(struct.pack("<II", size, BIN_CHUNK))
        out.write(buffer.data)
        out.write(padding)
    return total


def gltf(
    sequence: MeshSequence,
    atlases: list[UvAtlas | None],  # one for each segment; None: colours at the vertices
    quantise: bool,
) -> tuple[dict[str, Any], Buffer]:
    """Make the document and its buffer, for write_glb().

    Unlit: a field's colours contain their light. COLOR_0 is linear light (glTF 2.0, 3.7.2.1), base colour textures are
    sRGB (3.9.2), and base colours are white: nothing gets darker."""
    buffer = Buffer()
    document: dict[str, Any] = {"scene": 0, "scenes": [{"nodes": []}], "nodes": [], "meshes": [], "materials": []}
    document["extensionsUsed"] = [UNLIT, QUANTISED] if quantise else [UNLIT]
    if quantise:
        document["extensionsRequired"] = [QUANTISED]
    for k, (segment, atlas) in enumerate(zip(sequence.segments, atlases, strict=True)):
        scale = _add_mesh(document, buffer, segment, atlas, quantise)
        _add_nodes(document, k, scale, alone=len(sequence.segments) == 1)
    animation = _animation(sequence, buffer)
    if animation["channels"]:
        document["animations"] = [animation]
    return document, buffer


def _add_nodes(document: dict[str, Any], k: int, scale: float, alone: bool) -> None:
    """Add nodes 2k and 2k + 1: a switch, whose scale is 0 or 1, and the mesh under it."""
    mesh: dict[str, Any] = {"name": "surface" if alone else f"surface {k}", "mesh": k}
    if scale != 1.0:
        mesh["scale"] = [scale] * 3
    switch: dict[str, Any] = {"name": "scene" if alone else f"stretch {k}", "children": [2 * k + 1]}
    if k > 0:
        switch["scale"] = [0.0] * 3  # readers that play no animation show the first frame only
    document["nodes"] += [switch, mesh]
    document["scenes"][0]["nodes"].append(2 * k)


def _add_mesh(
    document: dict[str, Any], buffer: Buffer, segment: Segment, atlas: UvAtlas | None, quantise: bool
) -> float:  # the scale of its node
    source = np.arange(segment.vertices.shape[1]) if atlas is None else atlas.vertex
    faces = segment.faces if atlas is None else atlas.faces
    vertices, normals = segment.vertices[:, source], segment.normals()[:, source]
    moves, turns = vertices[1:] - vertices[0], normals[1:] - normals[0]
    scale = float(max(np.abs(vertices).max(), np.abs(moves).max(initial=0.0))) if quantise else 1.0
    attributes = {
        "POSITION": buffer.add_accessor(_int16(vertices[0] / scale) if quantise else vertices[0], ARRAY, bounds=True),
        "NORMAL": buffer.add_accessor(_int8(normals[0]) if quantise else normals[0], ARRAY),
    }
    attributes |= _add_material(document, buffer, segment, atlas)
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": buffer.add_accessor(faces.ravel().astype("<u2" if len(source) < 2**16 - 1 else "<u4"), INDICES),
        "material": len(document["materials"]) - 1,
    }
    targets = [
        {
            "POSITION": buffer.add_accessor(_int16(move / scale) if quantise else move, ARRAY, bounds=True),
            "NORMAL": buffer.add_accessor(_int8(turn) if quantise and _fits_int8(turn) else turn, ARRAY),
        }
        for move, turn in zip(moves, turns, strict=True)
    ]
    mesh: dict[str, Any] = {"name": "surface", "primitives": [primitive]}
    if targets:
        primitive["targets"] = targets
        mesh["weights"] = [0.0] * len(targets)
    document["meshes"].append(mesh)
    return scale


def _int16(values: np.ndarray) -> np.ndarray:  # in [-1, 1]
    return np.round(values * INT16_ONE).astype("<i2")


def _int8(values: np.ndarray) -> np.ndarray:  # clipped to [-1, 1]
    return np.round(values * INT8_ONE).clip(-INT8_ONE, INT8_ONE).astype("i1")


def _fits_int8(turn: np.ndarray) -> bool:  # (V, 3)
    """Return whether nearly all normals turn by no more than a normalised integer holds; the others are clipped."""
    return bool((np.abs(turn).max(1) > 1.0).mean() <= MAX_CLIPPED_NORMALS)


def _add_material(
    document: dict[str, Any], buffer: Buffer, segment: Segment, atlas: UvAtlas | None
) -> dict[str, int]:
    """Add a material; return the attributes it needs: colours at the vertices, or texture coordinates."""
    surface: dict[str, Any] = {"baseColorFactor": [1.0] * 4, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    document["materials"].append({"name": "colour", "pbrMetallicRoughness": surface, "extensions": {UNLIT: {}}})
    if atlas is None:
        alpha = np.ones((len(segment.colours), 1), np.float32)
        rgba = np.concatenate((srgb_to_linear(segment.colours), alpha), axis=1)
        return {"COLOR_0": buffer.add_accessor(np.round(rgba * 65535).astype("<u2"), ARRAY)}
    image = {"bufferView": buffer.add_view(atlas.png), "mimeType": "image/png", "name": "colour"}
    document.setdefault("images", []).append(image)
    document.setdefault("samplers", [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}])
    document.setdefault("textures", []).append({"source": len(document["images"]) - 1, "sampler": 0})
    surface["baseColorTexture"] = {"index": len(document["textures"]) - 1}
    return {"TEXCOORD_0": buffer.add_accessor(atlas.uv.astype("<f4"), ARRAY)}


def _animation(sequence: MeshSequence, buffer: Buffer) -> dict[str, Any]:
    """Animate weights linearly from frame to frame, and switch segments by scales of 0 and 1: core glTF hides nothing.

    A loop's last frame leads back into its first; with several segments the last frame is shown as long as any."""
    animation: dict[str, Any] = {"name": "animate124", "channels": [], "samplers": []}
    alone = len(sequence.segments) == 1
    for k, segment in enumerate(sequence.segments):
        if len(segment.vertices) > 1:
            times, weights = _weights(sequence, segment)
            _add_channel(animation, buffer, (2 * k + 1, "weights"), times, weights.ravel(), "LINEAR")
        if not alone:
            times, scales = _switch(sequence, segment)
            _add_channel(animation, buffer, (2 * k, "scale"), times, scales, "STEP")
    return animation


def _weights(sequence: MeshSequence, segment: Segment) -> tuple[np.ndarray, np.ndarray]:  # (K,) seconds, (K, targets)
    count = len(segment.vertices)
    rows = np.eye(count)[:, 1:]
    frames = np.arange(segment.first, segment.last + 1)
    if sequence.loop and len(sequence.segments) == 1:
        rows, frames = np.concatenate((rows, rows[:1])), np.append(frames, count)
    return frames / sequence.fps, rows


def _switch(sequence: MeshSequence, segment: Segment) -> tuple[np.ndarray, np.ndarray]:  # (K,) seconds, (K, 3)
    """Switch on from the segment's first frame until the next segment's; every switch ends with the animation."""
    end = sequence.n_frames
    is_last = segment.last + 1 == end
    keys = {0: segment.first == 0, segment.first: True, segment.last + 1: is_last, end: is_last}
    frames = sorted(keys)
    return np.array(frames) / sequence.fps, np.array([[float(keys[f])] * 3 for f in frames])


def _add_channel(
    animation: dict[str, Any],
    buffer: Buffer,
    target: tuple[int, str],  # node, path
    times: np.ndarray,
    values: np.ndarray,
    interpolation: str,
) -> None:
    sampler = {
        "input": buffer.add_accessor(times.astype("<f4"), bounds=True),
        "output": buffer.add_accessor(values.astype("<f4")),
        "interpolation": interpolation,
    }
    node, path = target
    animation["channels"].append({"sampler": len(animation["samplers"]), "target": {"node": node, "path": path}})
    animation["samplers"].append(sampler)
