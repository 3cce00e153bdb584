"""Damaged files of the viewer: bytes, entries of the header, and frames that unpack to something else."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import torch

from a124core.export.viewer.volume import Volume, VolumeOptions
from a124core.export.viewer.volume_file import MAGIC, SUFFIX, VERSION, pack_volume
from tests.fuzz.driver import Parser
from tests.fuzz.mutations import damage_bytes, damage_json, json_bytes
from tests.fuzz.read_volume import read_volume

SHAPES = ((1, 4, 6, 5, 4), (3, 4, 3, 4, 7), (2, 4, 1, 1, 9))  # (F, 4, Z, Y, X)
BOX = torch.tensor([[-0.5, -0.4, -0.3], [0.5, 0.6, 0.7]])


@cache
def sample(index: int) -> bytes:
    """A whole file."""
    rng = torch.Generator().manual_seed(index)
    cells = torch.randint(0, 256, SHAPES[index], generator=rng, dtype=torch.uint8) * (index < 2)
    times = torch.linspace(0.0, 1.0, SHAPES[index][0])
    return pack_volume(Volume(cells, BOX, times, 50.0, index == 1), VolumeOptions())


def taken_apart(packed: bytes) -> tuple[dict[str, Any], bytes]:  # header, frames
    (length,) = struct.unpack_from("<I", packed, len(MAGIC) + 4)
    start = len(MAGIC) + 8 + length
    return json.loads(packed[len(MAGIC) + 8 : start]), packed[start:]


def put_together(header: bytes, frames: bytes) -> bytes:
    return b"".join((MAGIC, struct.pack("<II", VERSION, len(header)), header, frames))


@cache
def bomb(megabytes: int) -> bytes:
    """So many megabytes of nothing, packed."""
    return zlib.compress(bytes(megabytes * 2**20), 9)


def damaged_volume(rng: random.Random) -> tuple[str, bytes]:
    whole = sample(rng.randrange(len(SHAPES)))
    header, frames = taken_apart(whole)
    kind = rng.randrange(8)
    if kind < 2:
        return SUFFIX, damage_bytes(rng, whole)
    if kind == 2:
        return SUFFIX, put_together(json.dumps(header).encode(), damage_bytes(rng, frames))
    if kind == 3:
        frames = bomb(rng.choice((1, 16, 64)))
        header["frames"] = [{"time": 0.0, "offset": 0, "bytes": len(frames)}]
        if rng.random() < 0.5:
            header["size"] = [rng.choice((1, 64, 1024)) for _ in range(3)]
        return SUFFIX, put_together(json.dumps(header).encode(), frames)
    return SUFFIX, put_together(json_bytes(rng, damage_json(rng, header)), frames)


def rebuilt_volume(rng: random.Random) -> tuple[str, bytes]:
    """A file made anew, most of it right: limits in the header, frames packed otherwise, JSON written otherwise."""
    side = rng.choice((1, 2, 3, 8))
    size = [side, rng.randint(1, 4), rng.randint(1, 4)]
    count = rng.choice((1, 2, 3, 256, 257))
    length = 4 * size[0] * size[1] * size[2]
    plain = [rng.randbytes(length + rng.choice((0,) * 30 + (-1, 1))) for _ in range(min(count, 4))]
    packed = [_packed(rng, data) for data in plain]
    offsets = [sum(map(len, packed[:k])) for k in range(len(packed))]
    entries = [
        {"time": k / max(count - 1, 1), "offset": offsets[k % len(packed)], "bytes": len(packed[k % len(packed)])}
        for k in range(count)
    ]
    header = {
        "size": size, "box": [[-1, -1, -1], [1, 1, 1]], "peak": 5.0, "loop": rng.random() < 0.5, "seconds": 3,
        "background": [0, 0.5, 1], "camera": {"elevation": 0, "azimuth": -30, "radius": 1.8, "fovy": 40},
        "frames": entries,
    }
    if rng.random() < 0.5:
        _set_limit(rng, header)
    text = _written(rng, header)
    whole = put_together(text, b"".join(packed))
    return SUFFIX, whole if rng.random() < 0.9 else whole[:12] + struct.pack("<I", rng.choice(LENGTHS)) + whole[16:]


LENGTHS = (0, 1, 2**20, 2**20 + 1, 2**31 - 1, 2**31, 2**32 - 1)
LIMITS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("peak", (0, -0.0, 1e-300, 1e30, 1.01e30, 1e308, True, None)),
    ("seconds", (0, 1e-320, 1e-30, 1e300, "3", [3])),
    ("loop", (0, 1, "false", None)),
    ("background", ([0, 0, 1.0000001], [0, 0], [0, 0, 0, 0], [0, 0, "0"], [True, 0, 0], {"0": 0})),
    ("camera", ({}, [], {"elevation": 0, "azimuth": 0, "radius": 0, "fovy": 40}, {"radius": 1.8}, "orbit")),
    ("box", ([[0, 0, 0], [0, 1, 1]], [[1, 1, 1], [0, 0, 0]], [[-1e3] * 3, [1e3] * 3], [[-1e4] * 3, [1] * 3], [[], []])),
    ("size", ([0, 1, 1], [2048, 1, 1], [2049, 1, 1], [2048, 2048, 2048], [1.5, 1, 1], [-1, -1, 1], ["1", 1, 1])),
    ("frames", ([], {}, [[]], [None], "frames", [{"time": 0, "offset": 0}], [{"time": -1, "offset": 0, "bytes": 1}])),
)


def _set_limit(rng: random.Random, header: dict[str, Any]) -> None:
    """Put one entry, of the header or of a frame, on a limit or beyond it."""
    if rng.random() < 0.6:
        name, values = rng.choice(LIMITS)
        header[name] = rng.choice(values)
        return
    frame = rng.choice(header["frames"])
    name = rng.choice(("time", "offset", "bytes"))
    nearby = (frame[name] + 1, frame[name] - 1, float(frame[name]), frame[name] * 2, 2**53, 2**64, 1e400, -1, None)
    frame[name] = rng.choice(nearby)


def _packed(rng: random.Random, data: bytes) -> bytes:
    """zlib in one of its forms, most of them right."""
    form = rng.randrange(40)
    window = rng.choice((9, 12, 15))
    if form == 0:
        return zlib.compress(data, 6)[2:-4]  # without its wrapper
    if form == 1:
        return gzip.compress(data)
    if form == 2:
        deflate = zlib.compressobj(zdict=b"cells")
        return deflate.compress(data) + deflate.flush()
    if form == 3:
        return zlib.compress(data)[:-4] + bytes(4)  # a wrong checksum
    if form == 4:
        return zlib.compress(data[:-1]) + zlib.compress(data[-1:])
    if form == 5:
        return zlib.compress(data)[:-1]
    deflate = zlib.compressobj(rng.choice((0, 1, 9)), zlib.DEFLATED, window)
    half = len(data) // 2
    flushed = deflate.flush(rng.choice((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH))) if form < 12 else b""
    return deflate.compress(data[:half]) + flushed + deflate.compress(data[half:]) + deflate.flush()


def _written(rng: random.Random, header: dict[str, Any]) -> bytes:
    """The header as JSON that writers of others could write."""
    form = rng.randrange(20)
    text = json.dumps(header, indent=rng.choice((None, 1)), ensure_ascii=False)
    if form == 0:
        text = "\ufeff" + text
    elif form == 1:
        text = text.replace("{", '{"peak": "twice", ', 1)  # the second one counts
    elif form == 2:
        odd = rng.choice(("NaN", "-Infinity", "1e999", "1" * 5000, "[" * 5000))
        text = text.replace("{", f'{{"more": {odd}, ', 1)
    elif form == 3:
        text += " " * (2**20 - len(text.encode()) + rng.choice((-1, 0, 1)))
    elif form == 4:
        text += rng.choice(("x", "\x00", "{}", ","))
    elif form == 5:
        text = text.replace('"', "'")
    return text.encode("utf-16" if form == 6 else "utf-8", errors="surrogatepass")


def _read(path: Path) -> Any:
    return read_volume(path.read_bytes())


PARSERS = (
    Parser("viewer volumes", damaged_volume, _read),
    Parser("rebuilt volumes", rebuilt_volume, _read),
)
