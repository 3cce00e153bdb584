"""Check a binary glTF file before a reader allocates what its accessors announce."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..utils.json_files import MAX_BYTES, parse_json
from ..utils.text import quote_value
from .read_ply import ADVICE, MAX_ROWS

MAGIC, VERSION, JSON_CHUNK = 0x46546C67, 2, 0x4E4F534A
COMPONENT_BYTES = {5120: 1, 5121: 1, 5122: 2, 5123: 2, 5125: 4, 5126: 4}
COMPONENTS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
SUPPORTED = {  # of required extensions
    "KHR_materials_unlit", "EXT_texture_webp", "KHR_materials_emissive_strength", "KHR_mesh_quantization",
    "KHR_texture_transform",
}


@dataclass(frozen=True)
class GlbFile:
    """A binary glTF file whose accessors lie inside of it."""

    path: Path
    document: dict[str, Any]
    start: int  # byte at which the binary chunk's data begin
    binary_bytes: int

    @property
    def generator(self) -> str:
        """Return the name of the program that wrote it, empty where it does not say."""
        asset = self.document.get("asset")
        return str(asset.get("generator", "")) if isinstance(asset, dict) else ""


def checked_glb(path: Path) -> GlbFile:
    """Read the JSON chunk; ValueError unless its accessors lie inside of the file."""
    document, start, binary_bytes = _chunks(path)
    required = document.get("extensionsRequired", [])
    unknown = [name for name in required if str(name) not in SUPPORTED] if isinstance(required, list) else ["?"]
    if unknown:
        raise ValueError(f"{path} needs {quote_value(unknown[0])}: save it again without compression and extensions.")
    views = _objects(document, "bufferViews", path)
    for view in views:
        end = _whole(view, "byteOffset", path) + _whole(view, "byteLength", path)
        if view.get("buffer", 0) != 0 or end > binary_bytes:
            raise _damaged(path)
    if any("uri" in buffer for buffer in _objects(document, "buffers", path)):
        raise ValueError(f"{path} keeps its data in other files: save it as one .glb.")
    for accessor in _objects(document, "accessors", path):
        _check_accessor(accessor, views, path)
    return GlbFile(path, document, start, binary_bytes)


def _chunks(path: Path) -> tuple[dict[str, Any], int, int]:
    """Return the JSON chunk, and where the binary chunk's data begin and how many bytes they are."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(20)
        if len(head) < 20:
            raise _damaged(path)
        magic, version, total, length, kind = struct.unpack("<5I", head)
        known = (magic, version, kind) == (MAGIC, VERSION, JSON_CHUNK)
        if not known or total > size or length > min(total - 20, MAX_BYTES):
            raise _damaged(path)
        document = parse_json(file.read(length), f"the header of {path}", ADVICE)
        tail = file.read(8)
    binary_bytes = min(struct.unpack("<I", tail[:4])[0], size - 28 - length) if len(tail) == 8 else 0
    return document, 28 + length, binary_bytes


def _check_accessor(accessor: dict[str, Any], views: list[dict[str, Any]], path: Path) -> None:
    """Refuse an accessor that reaches past its view, has no view or is larger than any mesh."""
    component, columns = accessor.get("componentType"), accessor.get("type")
    if "sparse" in accessor or "bufferView" not in accessor:
        raise ValueError(f"{path} stores numbers sparsely or compressed: save it again without compression.")
    index = _whole(accessor, "bufferView", path)
    known = type(component) is int and component in COMPONENT_BYTES and str(columns) in COMPONENTS
    if index >= len(views) or not known:
        raise _damaged(path)
    row, view = COMPONENT_BYTES[component] * COMPONENTS[columns], views[index]
    count, stride = _whole(accessor, "count", path), _whole(view, "byteStride", path) or row
    start = _whole(accessor, "byteOffset", path)
    if count > MAX_ROWS or (count and start + stride * (count - 1) + row > _whole(view, "byteLength", path)):
        raise _damaged(path)


def _objects(document: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    values = document.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise _damaged(path)
    return values


def _whole(values: dict[str, Any], name: str, path: Path) -> int:
    value = values.get(name, 0)
    if type(value) is not int or not 0 <= value < 2**32:
        raise _damaged(path)
    return value


def _damaged(path: Path) -> ValueError:
    return ValueError(f"{path} is incomplete or no binary glTF 2.0 file: export it again.")
