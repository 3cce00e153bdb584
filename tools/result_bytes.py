"""Hashes of fields and of exported files, without what is another in every run."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

REPORT = "report.json"
CHANCE = ("seconds", "peak_memory_mb", "versions", "machine")  # keys in it that are another run's every time
TRACK = re.compile(rb"([\x73\x63]\xc5\x88).{8}", re.DOTALL)  # Matroska: TrackUID, TagTrackUID and their eight bytes
DIGITS = 16


def tensors(path: Path) -> Iterator[tuple[str, str, tuple[int, ...], bytes]]:
    """Name, dtype, shape and bytes of each tensor of a .safetensors file, one after another."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name, entry in header.items():
            if name != "__metadata__":
                begin, end = entry["data_offsets"]
                file.seek(8 + length + begin)
                yield name, entry["dtype"], tuple(entry["shape"]), file.read(end - begin)


def tensors_hash(path: Path) -> str:
    """Of dtypes, shapes and bytes, in their own order: names and header have no part in it."""
    each = sorted(f"{dtype} {shape} {hashlib.sha256(data).hexdigest()}" for _, dtype, shape, data in tensors(path))
    return shortened("\n".join(each).encode())


def file_hash(path: Path) -> str:
    """Of a file, or of all names and files of a folder."""
    if path.is_file():
        return shortened(plain_bytes(path))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    each = (f"{file.relative_to(path).as_posix()} {shortened(plain_bytes(file))}" for file in files)
    return shortened("\n".join(each).encode())


def plain_bytes(path: Path) -> bytes:
    """The file; a report without what differs from run to run, a field without its header, a WebM without its
    tracks' random numbers."""
    if path.name == REPORT:
        return json.dumps(without_chance(json.loads(path.read_text(encoding="utf-8")))).encode()
    if path.suffix == ".safetensors":
        return tensors_hash(path).encode()
    return TRACK.sub(rb"\1", path.read_bytes()) if path.suffix == ".webm" else path.read_bytes()


def without_chance(values: object) -> object:
    """A report's figures without seconds, memory, versions and machine."""
    if isinstance(values, dict):
        return {key: without_chance(value) for key, value in values.items() if key not in CHANCE}
    return [without_chance(value) for value in values] if isinstance(values, list) else values


def shortened(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:DIGITS]
