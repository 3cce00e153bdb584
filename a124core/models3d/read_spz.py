"""Gaussians of .spz files: Niantic's packed format, versions 1 to 3, arrays of bytes behind a header, in gzip."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch

from .gaussians import GaussianModel
from .read_gaussians import SH_0, checked_gaussians
from .read_ply import ADVICE, MAX_ROWS

MAGIC, HEADER = 0x5053474E, struct.Struct("<3I4B")  # magic, version, count, degree, fraction bits, flags, reserved
# By version, the bytes of a Gaussian's position, opacity, colour, scales and rotation; harmonics follow.
COLUMNS = {1: (6, 1, 3, 3, 3), 2: (9, 1, 3, 3, 3), 3: (9, 1, 3, 3, 4)}
MAX_DEGREE = 4  # of the harmonics
MAX_FRACTION_BITS = 23
COLOUR_SCALE = 0.15  # of a byte's distance from the middle, to a coefficient of the constant harmonic
SCALE_STEP, SCALE_OFFSET = 16.0, 10.0  # byte / step - offset is the logarithm of a scale


def read_spz(path: Path) -> tuple[GaussianModel, list[str]]:
    """Read a packed file; ValueError unless the header's count is what the file holds."""
    version, count, degree, fraction_bits, content = _unpacked(path)
    columns = COLUMNS[version]
    ends = np.cumsum([width * count for width in columns])
    parts = np.split(content[: ends[-1]], ends[:-1])
    positions, alpha, colours, scales, rotations = (
        part.reshape(count, width) for part, width in zip(parts, columns, strict=True)
    )
    xyz = positions.copy().view("<f2").astype(np.float32) if version == 1 else _fixed_point(positions, fraction_bits)
    rgb = 0.5 + SH_0 * (colours / 255.0 - 0.5) / COLOUR_SCALE
    sizes = np.exp(scales / SCALE_STEP - SCALE_OFFSET)
    turns = _smallest_three(rotations) if version == 3 else _without_w(rotations)
    tensors = (torch.from_numpy(np.ascontiguousarray(column, np.float32)) for column in (xyz, sizes, turns))
    rgba = torch.from_numpy(np.concatenate((rgb, alpha / 255.0), 1).astype(np.float32))
    model, more = checked_gaussians(*tensors, rgba, str(path))
    return model, (["colours that depend on the direction are left out"] if degree else []) + more


def _unpacked(path: Path) -> tuple[int, int, int, int, np.ndarray]:
    """Return version, count, degree and fraction bits of the header, and the bytes behind it; no more is unpacked."""
    try:
        with gzip.open(path, "rb") as file:
            head = file.read(HEADER.size)
            if len(head) < HEADER.size:
                raise EOFError
            magic, version, count, degree, fraction_bits, _, _ = HEADER.unpack(head)
            if magic != MAGIC or version not in COLUMNS or degree > MAX_DEGREE:
                raise ValueError(f"{path} is no .spz file of version 1, 2 or 3: {ADVICE}.")
            if not 0 < count <= MAX_ROWS or fraction_bits > MAX_FRACTION_BITS:
                raise ValueError(f"{path} announces {count} Gaussians, 1 to {MAX_ROWS} are read: export it again.")
            needed = sum(COLUMNS[version]) * count
            content = np.frombuffer(file.read(needed), np.uint8)
    except (OSError, EOFError, zlib.error):
        raise ValueError(f"{path} is no .spz file or incomplete: copy or export it again.") from None
    if len(content) < needed:
        raise ValueError(f"{path} is shorter than its header says: the file is incomplete, copy it again.")
    return version, count, degree, fraction_bits, content


def _fixed_point(positions: np.ndarray, fraction_bits: int) -> np.ndarray:  # (N, 9) bytes -> (N, 3)
    """Return numbers of 24 bits, little-endian and signed, as parts of 2^fraction_bits."""
    low, middle, high = (positions[:, k::3].astype(np.int32) for k in range(3))
    value = low | (middle << 8) | (high << 16)
    return (value - ((value & 0x800000) << 1)) / float(1 << fraction_bits)


def _without_w(rotations: np.ndarray) -> np.ndarray:  # (N, 3) bytes -> (N, 4) w, x, y, z
    """Return unit quaternions from x, y and z; w is not negative."""
    xyz = rotations / 127.5 - 1.0
    return np.concatenate((np.sqrt(np.maximum(1.0 - (xyz**2).sum(1, keepdims=True), 0.0)), xyz), 1)


def _smallest_three(rotations: np.ndarray) -> np.ndarray:  # (N, 4) bytes -> (N, 4) w, x, y, z
    """Return unit quaternions from the three smaller of x, y, z, w, 9 bits and a sign each; 2 bits name the largest."""
    packed = rotations.copy().view("<u4")[:, 0]
    largest, quaternions, rest = packed >> 30, np.zeros((len(packed), 4)), packed.copy()
    for axis in (3, 2, 1, 0):
        stored = largest != axis
        value = (rest & 0x1FF) / 511.0 * np.sqrt(0.5)
        quaternions[:, axis] = np.where(stored, np.where(rest & 0x200, -value, value), 0.0)
        rest = np.where(stored, rest >> 10, rest)
    left = np.sqrt(np.maximum(1.0 - (quaternions**2).sum(1), 0.0))
    quaternions[np.arange(len(packed)), largest] = left
    return quaternions[:, (3, 0, 1, 2)]
