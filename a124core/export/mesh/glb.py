"""The binary glTF container: numbers into one buffer, each with an accessor; then header, JSON and buffer in a file."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.files import atomic_write
from .limits import MOST_GLB
from .options import in_words

ARRAY, INDICES = 34962, 34963  # bufferView targets (glTF 2.0, 5.11.5)
COMPONENT = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}  # componentType by numpy type
TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
GENERATOR = "ComfyUI-Animate124"
MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BIN_CHUNK = 0x4E4F534A, 0x004E4942


@dataclass(frozen=True)
class Buffer:
    """Grows while a file is put together."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def view(self, data: bytes, **more: int) -> int:
        """Bytes at the next multiple of four -> index of their bufferView."""
        self.data.extend(b"\0" * (-len(self.data) % 4))
        self.views.append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data), **more})
        self.data.extend(data)
        return len(self.views) - 1

    def accessor(self, values: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """Values (N,) or (N, C) -> index of their accessor. Whole numbers of C > 1 columns count as normalised."""
        columns = 1 if values.ndim == 1 else values.shape[1]
        more: dict[str, int] = {} if target is None else {"target": target}
        rows = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
        if target == ARRAY:
            rows, more["byteStride"] = _padded(rows)
        made: dict[str, Any] = {
            "bufferView": self.view(rows.tobytes(), **more),
            "componentType": COMPONENT[values.dtype.str[1:]],
            "count": len(values),
            "type": TYPES[columns],
        }
        if values.dtype.kind != "f" and columns > 1:
            made["normalized"] = True
        if bounds:
            made |= {"min": np.atleast_1d(values.min(0)).tolist(), "max": np.atleast_1d(values.max(0)).tolist()}
        self.accessors.append(made)
        return len(self.accessors) - 1


def _padded(rows: np.ndarray) -> tuple[np.ndarray, int]:
    """Vertices must start at multiples of four bytes: rows (N, C) with columns of zeros added, and bytes a row."""
    extra = -rows.shape[1] * rows.itemsize % 4 // rows.itemsize
    rows = np.pad(rows, ((0, 0), (0, extra)))
    return rows, rows.shape[1] * rows.itemsize


def write_glb(path: str | Path, document: dict[str, Any], buffer: Buffer) -> int:
    """The file, complete or not there -> its size in bytes."""
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
    if total > MOST_GLB:
        raise ValueError(
            f"{path} would have {in_words(total)}, and a GLB holds {in_words(MOST_GLB)} at most: choose fewer frames "
            "or faces, or a smaller texture."
        )
    with atomic_write(path) as temporary, open(temporary, "wb") as out:
        out.write(struct.pack("<III", MAGIC, VERSION, total))
        out.write(struct.pack("<II", len(text), JSON_CHUNK) + text)
        out.write(struct.pack("<II", size, BIN_CHUNK))
        out.write(buffer.data)
        out.write(padding)
    return total
