"""Binary glTF files with whole numbers for places and with moved textures, as the files without them that they mean.

KHR_mesh_quantization stores positions and texture coordinates as whole numbers, KHR_texture_transform moves, turns and
scales texture coordinates: readers that know neither are given floats, with the transform done."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..utils.text import first_line
from .glb_checks import COMPONENT_BYTES, COMPONENTS, JSON_CHUNK, MAGIC, VERSION, GlbFile

BINARY_CHUNK, FLOAT = 0x004E4942, 5126
TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
TRANSFORM = "KHR_texture_transform"


def plain_glb(glb: GlbFile) -> bytes | None:
    """Return the content of a file that means the same without these extensions and with its base colour in the first
    set of texture coordinates; None where it is that already."""
    try:
        rewriting = _Rewriting(glb)
        rewriting.rewrite()
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{glb.path} has a mesh or a material that cannot be read ({first_line(error)}): export it "
                         "again.") from None
    return rewriting.content() if rewriting.document != glb.document else None


@dataclass
class _Rewriting:
    """A document whose accessors are replaced where floats are needed."""

    glb: GlbFile
    added: list[np.ndarray] = field(default_factory=list)  # float32, each an accessor and a view of its own
    made: dict[Any, int] = field(default_factory=dict)  # source -> index of its float accessor

    def __post_init__(self) -> None:
        self.document = json.loads(json.dumps(self.glb.document))

    @cached_property
    def binary(self) -> np.ndarray:
        """Return the bytes of the binary chunk."""
        return np.fromfile(self.glb.path, np.uint8, self.glb.binary_bytes, offset=self.glb.start)

    def rewrite(self) -> None:
        """Replace positions and texture coordinates of every primitive."""
        for mesh in self.document.get("meshes", []):
            for primitive in mesh["primitives"]:
                attributes = primitive["attributes"]
                if "POSITION" in attributes:
                    attributes["POSITION"] = self._floats(attributes["POSITION"], {})
                texture = self._base_colour(primitive.get("material"))
                move = texture.get("extensions", {}).get(TRANSFORM, {})
                name = f"TEXCOORD_{move.get('texCoord', texture.get('texCoord', 0))}"
                if name in attributes:
                    attributes["TEXCOORD_0"] = self._floats(attributes[name], move)

    def _base_colour(self, material: int | None) -> dict[str, Any]:
        """Return the material's reference to its base colour texture; empty where there is none."""
        if material is None:
            return {}
        return self.document["materials"][material].get("pbrMetallicRoughness", {}).get("baseColorTexture", {})

    def _floats(self, index: int, move: dict[str, Any]) -> int:
        """Return the index of an accessor's float form; its own where it has that already and nothing is moved."""
        accessor = self.document["accessors"][index]
        moves = bool({"offset", "rotation", "scale"} & set(move))
        if accessor["componentType"] == FLOAT and not moves:
            return index
        source = index, json.dumps(move, sort_keys=True)
        if source not in self.made:
            values = self._values(accessor)
            self.added.append(np.ascontiguousarray(_moved(values, move) if moves else values, np.float32))
            view = len(self.document["bufferViews"])
            self.document["bufferViews"].append({"buffer": 0})  # place and length follow in content()
            kind = {"componentType": FLOAT, "type": accessor["type"], "count": len(values), "bufferView": view}
            self.document["accessors"].append(kind)
            self.made[source] = len(self.document["accessors"]) - 1
        return self.made[source]

    def _values(self, accessor: dict[str, Any]) -> np.ndarray:  # (count, columns) float64
        """Return an accessor's numbers, those that are normalised as shares of their type's largest."""
        view, kind = self.document["bufferViews"][accessor["bufferView"]], np.dtype(TYPES[accessor["componentType"]])
        columns, width = COMPONENTS[accessor["type"]], COMPONENT_BYTES[accessor["componentType"]]
        stride = view.get("byteStride") or columns * width
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        shape = accessor["count"], columns
        values = np.ndarray(shape, kind, self.binary.data, start, (stride, width)).astype(np.float64)
        if accessor.get("normalized") and kind.kind != "f":
            values = np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def content(self) -> bytes:
        """Return the file: the old numbers, then the new ones."""
        parts, end = [self.binary.tobytes()], len(self.binary)
        views = self.document["bufferViews"][-len(self.added):] if self.added else []
        for view, values in zip(views, self.added, strict=True):
            padding = -end % 4
            parts += [b"\0" * padding, values.tobytes()]
            view |= {"byteOffset": end + padding, "byteLength": values.nbytes}
            end += padding + values.nbytes
        self.document["buffers"] = [{"byteLength": end}]
        text = json.dumps(self.document).encode()
        text += b" " * (-len(text) % 4)
        binary = b"".join(parts)
        binary += b"\0" * (-len(binary) % 4)
        head = struct.pack("<5I", MAGIC, VERSION, 28 + len(text) + len(binary), len(text), JSON_CHUNK)
        return head + text + struct.pack("<2I", len(binary), BINARY_CHUNK) + binary


def _moved(uv: np.ndarray, move: dict[str, Any]) -> np.ndarray:
    """Return texture coordinates (N, 2), v downwards, scaled, turned and shifted as a KHR_texture_transform says."""
    (right, down), (wide, high) = move.get("offset", (0, 0)), move.get("scale", (1, 1))
    angle = move.get("rotation", 0)
    cosine, sine = math.cos(angle), math.sin(angle)
    u, v = uv[:, 0] * wide, uv[:, 1] * high
    return np.stack((cosine * u + sine * v + right, cosine * v - sine * u + down), 1)
