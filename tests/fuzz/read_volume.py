"""Read the viewer's file, as docs/viewer-format.md describes it: everything is checked before memory is taken."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from a124core.export.viewer.volume import MAX_FRAMES, MAX_RAW_BYTES
from a124core.export.viewer.volume_file import MAGIC, VERSION
from a124core.utils.validate import ABOVE_ZERO

ADVICE = "bake it again"
HEADER_START = len(MAGIC) + 8
MAX_HEADER_BYTES = 2**20  # of 256 frames it has 20,000
MAX_SIDE = 2048  # cells: what most graphics cards take along a side of a 3D texture
MAX_RATIO = 1032  # of a deflate stream: no more bytes can come out of one that goes in
BLOCK = 2**16  # bytes unpacked or summed at once


def read_volume(packed: bytes) -> tuple[Tensor, dict[str, Any]]:  # cells (F, 4, Z, Y, X) uint8, header
    """Return all cells and the header; ValueError for anything that the viewer would not show."""
    header, start = _read_header(packed)
    width, height, depth = header["size"]
    cells = np.zeros((len(header["frames"]), 4 * depth * height * width), np.uint8)
    for frame, into in zip(header["frames"], cells, strict=True):
        begin = start + frame["offset"]
        _unpack(memoryview(packed)[begin : begin + frame["bytes"]], into)
        _sum_rows(into.reshape(-1, width))
    return torch.from_numpy(cells.reshape(-1, 4, depth, height, width)), header


def _read_header(packed: bytes) -> tuple[dict[str, Any], int]:  # its known entries, where the frames begin
    if packed[: len(MAGIC)] != MAGIC:
        raise ValueError(f"this is no viewer file: {ADVICE}.")
    if len(packed) < HEADER_START:
        raise _incomplete()
    version, length = struct.unpack_from("<II", packed, len(MAGIC))
    if version != VERSION:
        raise ValueError(f"the viewer file has version {version}, {VERSION} is read: {ADVICE}.")
    if length > MAX_HEADER_BYTES:
        raise _damaged("its header is too long")
    start = HEADER_START + length
    if start > len(packed):
        raise _incomplete()
    header = _parsed(packed[HEADER_START:start])
    for name, is_right in ENTRIES.items():
        if name not in header or not is_right(header[name]):
            raise _damaged(f"the {name} in its header cannot be right")
    raw = 4 * math.prod(header["size"]) * len(header["frames"])
    if raw > MAX_RAW_BYTES:
        too_large = f"the scene unpacks to {raw >> 20} MB, {MAX_RAW_BYTES >> 20} are read"
        raise ValueError(f"{too_large}: lower its resolution and {ADVICE}.")
    for frame in header["frames"]:
        if start + frame["offset"] + frame["bytes"] > len(packed):
            raise _incomplete()
        if raw > MAX_RATIO * frame["bytes"] * len(header["frames"]):
            raise _damaged("a frame is too short for its cells")
    return {name: header[name] for name in ENTRIES}, start


def _parsed(text: bytes) -> dict[str, Any]:
    """Parse JSON as browsers do: no NaN, and numbers without a fraction are integers."""
    try:
        whole = text.decode("utf-8").removeprefix("\ufeff")
        header = json.loads(whole, parse_constant=_refuse_constant, parse_float=_number, parse_int=_number)
    except (ValueError, RecursionError):  # a UnicodeDecodeError and a JSONDecodeError among them
        raise _damaged("its header is not JSON") from None
    if not isinstance(header, dict):
        raise _damaged("its header is no object")
    return header


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _unpack(packed: memoryview, into: np.ndarray) -> None:
    """Inflate so many bytes, block by block, and stop where there are more."""
    inflate, filled = zlib.decompressobj(), 0
    try:
        for begin in range(0, len(packed), BLOCK):
            rest = packed[begin : begin + BLOCK]
            while len(rest) and not inflate.eof:
                block = inflate.decompress(rest, BLOCK)
                rest = inflate.unconsumed_tail
                if filled + len(block) > len(into):
                    raise _other_size()
                into[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
                filled += len(block)
            if inflate.eof and begin + BLOCK < len(packed):
                raise _other_size()
    except zlib.error:
        raise _damaged("a frame does not unpack") from None
    if not inflate.eof or inflate.unused_data or filled != len(into):
        raise _other_size()


def _sum_rows(rows: np.ndarray) -> None:
    """Undo the differences along x, modulo 256, in place."""
    count = max(1, BLOCK // rows.shape[1])
    for begin in range(0, len(rows), count):
        block = rows[begin : begin + count]
        block[:] = block.cumsum(axis=1, dtype=np.uint8)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_count(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and _is_number(value, low, high)


def _is_row(value: Any, count: int, is_right: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(is_right, value))


def _is_box(value: Any) -> bool:
    corners = _is_row(value, 2, lambda corner: _is_row(corner, 3, lambda v: _is_number(v, -FAR, FAR)))
    return corners and all(low < high for low, high in zip(*value, strict=True))


def _is_camera(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_number(value.get(k), *limits) for k, limits in CAMERA.items())


def _are_frames(value: Any) -> bool:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_FRAMES:
        return False
    if not all(isinstance(f, dict) and _is_number(f.get("time"), 0.0, 1.0) for f in value):
        return False
    places = all(_is_count(f.get("offset"), 0, 2**32) and _is_count(f.get("bytes"), 1, 2**32) for f in value)
    return places and all(a["time"] < b["time"] for a, b in pairwise(value))


FAR = 1e3  # world units; the scene is a cube of 2
CAMERA = {"elevation": (-1e6, 1e6), "azimuth": (-1e6, 1e6), "fovy": (0.01, 179.0), "radius": (1e-3, FAR)}
ENTRIES: dict[str, Callable[[Any], bool]] = {
    "size": lambda v: _is_row(v, 3, lambda n: _is_count(n, 1, MAX_SIDE)),
    "box": _is_box,
    "peak": lambda v: _is_number(v, ABOVE_ZERO, 1e30),  # a float32
    "loop": lambda v: isinstance(v, bool),
    "seconds": lambda v: _is_number(v, ABOVE_ZERO, 1e300),
    "background": lambda v: _is_row(v, 3, lambda c: _is_number(c, 0.0, 1.0)),
    "camera": _is_camera,
    "frames": _are_frames,
}


def _incomplete() -> ValueError:
    return ValueError(f"the viewer file is incomplete, its end is missing: {ADVICE}.")


def _damaged(reason: str) -> ValueError:
    return ValueError(f"the viewer file is damaged, {reason}: {ADVICE}.")


def _other_size() -> ValueError:
    return _damaged("a frame has another size than its header says")
