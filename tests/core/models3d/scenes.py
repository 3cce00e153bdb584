"""Models of built-in subjects for the tests: written as files, as other programs write them."""

from __future__ import annotations

import gzip
import json
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from a124core.models3d.read_ply import GAUSSIAN_COLUMNS
from a124core.priors.builtin.appearance import get_subject

SH_0 = 0.28209479177387814


def write_gaussians(path: Path, table: np.ndarray) -> None:
    """Write rows of GAUSSIAN_COLUMNS as the original program of 3D Gaussian splatting does."""
    columns = "".join(f"property float {name}\n" for name in GAUSSIAN_COLUMNS)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{columns}end_header\n"
    path.write_bytes(head.encode() + table.astype("<f4").tobytes())


def surfel_gaussians(subject: str, spacing: float) -> np.ndarray:
    """Flat Gaussians on a subject's surface, in the columns of a file."""
    surfels = get_subject(subject).surfels(spacing)
    normals, count = surfels.normals.numpy(), len(surfels.points)
    # the shortest rotation from z to the normal
    quaternions = np.stack((1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(count)), 1)
    quaternions[quaternions[:, 0] < 1e-6] = (0, 1, 0, 0)
    scales = np.log(np.tile([0.45 * spacing, 0.45 * spacing, 0.06 * spacing], (count, 1)))
    colours = (surfels.colours.numpy() - 0.5) / SH_0
    return np.concatenate((surfels.points.numpy(), colours, np.full((count, 1), 3.0), scales, quaternions), 1)


def write_spz(path: Path, table: np.ndarray, version: int = 2) -> None:
    """Write rows of GAUSSIAN_COLUMNS in Niantic's packed format, 12 bits of fraction."""
    count = len(table)
    fixed = np.round(table[:, :3] * 4096).astype(np.int64) & 0xFFFFFF
    positions = np.stack([fixed & 0xFF, (fixed >> 8) & 0xFF, fixed >> 16], -1).astype(np.uint8)
    alpha = 255 / (1 + np.exp(-table[:, 6]))
    colours = (table[:, 3:6] * 0.15 + 0.5) * 255
    scales = (table[:, 7:10] + 10) * 16
    unit = table[:, 10:] / np.linalg.norm(table[:, 10:], axis=1, keepdims=True)
    xyzw = unit[:, (1, 2, 3, 0)]
    if version == 2:
        rotations = (np.where(xyzw[:, 3:] < 0, -xyzw, xyzw)[:, :3] + 1) * 127.5
    else:
        rotations = _smallest_three(xyzw)
    arrays = [positions, *(np.round(a).clip(0, 255).astype(np.uint8) for a in (alpha, colours, scales, rotations))]
    head = struct.pack("<3I4B", 0x5053474E, version, count, 0, 12, 0, 0)
    path.write_bytes(gzip.compress(head + b"".join(a.tobytes() for a in arrays)))


def _smallest_three(xyzw: np.ndarray) -> np.ndarray:
    """Pack unit quaternions into 4 bytes each: 9 bits and a sign for all but the largest, whose place is above."""
    packed = np.zeros(len(xyzw), np.uint32)
    for row, quaternion in enumerate(xyzw):
        largest = int(np.abs(quaternion).argmax())
        quaternion = quaternion * np.sign(quaternion[largest])
        for axis in range(4):
            if axis != largest:
                size = round(min(abs(quaternion[axis]) * 2**0.5, 1.0) * 511)
                packed[row] = (int(packed[row]) << 10) | (int(quaternion[axis] < 0) << 9) | size
        packed[row] |= largest << 30
    return packed.view(np.uint8).reshape(-1, 4)


def split_glb(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the document and the binary chunk of a GLB."""
    length = struct.unpack("<I", data[12:16])[0]
    return json.loads(data[20 : 20 + length]), data[28 + length :]


def joined_glb(text: bytes, binary: bytes) -> bytes:
    """Return a GLB of a document's JSON and a binary chunk."""
    text += b" " * (-len(text) % 4)
    head = struct.pack("<5I", 0x46546C67, 2, 28 + len(text) + len(binary), len(text), 0x4E4F534A)
    return head + text + struct.pack("<2I", len(binary), 0x004E4942) + binary


def textured_square(move: dict[str, Any], texture_set: int = 0) -> bytes:
    """Return a GLB of a square with a chequered texture, moved by KHR_texture_transform; the corners are whole numbers
    of 16 bits, normalised, and its other set of texture coordinates is all zeros."""
    corners = (np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 32767 // 2).astype("<i2")
    positions = np.concatenate([corners, np.zeros((4, 1), "<i2")], 1).tobytes()
    uv = (np.array([[0, 1], [1, 1], [1, 0], [0, 0]]) * 65535).astype("<u2").tobytes()
    board = np.zeros((64, 64, 3), np.uint8)
    board[:32, :32], board[:32, 32:], board[32:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    png = BytesIO()
    Image.fromarray(board).save(png, "PNG")
    parts = [positions, uv, bytes(32), np.array([0, 1, 2, 0, 2, 3], "<u2").tobytes(), png.getvalue()]
    starts = np.cumsum([0, *(len(part) + -len(part) % 4 for part in parts)])
    views = [{"buffer": 0, "byteOffset": int(start), "byteLength": len(part)}
             for start, part in zip(starts, parts, strict=False)]
    views[0]["byteStride"] = 8
    kinds = ((5122, "VEC3", 4), (5123, "VEC2", 4), (5126, "VEC2", 4), (5123, "SCALAR", 6))
    accessors = [{"bufferView": k, "componentType": kind, "type": shape, "count": count, "normalized": k < 2}
                 for k, (kind, shape, count) in enumerate(kinds)]
    info = {"index": 0, "texCoord": 1 - texture_set,
            "extensions": {"KHR_texture_transform": {**move, "texCoord": texture_set}}}
    sets = {f"TEXCOORD_{texture_set}": 1, f"TEXCOORD_{1 - texture_set}": 2}
    document = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "extensionsUsed": ["KHR_texture_transform", "KHR_mesh_quantization", "KHR_materials_unlit"],
        "extensionsRequired": ["KHR_texture_transform", "KHR_mesh_quantization"],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, **sets}, "indices": 3, "material": 0}]}],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": info}, "extensions": {"KHR_materials_unlit": {}}}],
        "textures": [{"source": 0, "sampler": 0}], "samplers": [{"magFilter": 9728, "minFilter": 9728}],
        "images": [{"bufferView": 4, "mimeType": "image/png"}], "bufferViews": views, "accessors": accessors,
        "buffers": [{"byteLength": int(starts[-1])}],
    }
    binary = b"".join(part + b"\0" * (-len(part) % 4) for part in parts)
    return joined_glb(json.dumps(document).encode(), binary)
