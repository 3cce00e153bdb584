"""The viewer's file, read from its description in docs/viewer-format.md alone."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor


def read_volume(packed: bytes) -> tuple[Tensor, dict[str, Any]]:  # cells (F, 4, Z, Y, X) uint8, header
    """Read all cells and the header."""
    assert packed[:8] == b"A124VOL\n"
    version, length = struct.unpack("<II", packed[8:16])
    assert version == 1
    header = json.loads(packed[16 : 16 + length])
    width, height, depth = header["size"]
    frames = []
    for frame in header["frames"]:
        start = 16 + length + frame["offset"]
        differences = np.frombuffer(zlib.decompress(packed[start : start + frame["bytes"]]), np.uint8)
        rows = differences.reshape(4, depth, height, width)
        frames.append(torch.from_numpy(rows.cumsum(axis=-1, dtype=np.uint8)))  # modulo 256
    return torch.stack(frames), header
