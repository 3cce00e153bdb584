"""Baked volumes as a file that a browser reads without a library, described in docs/viewer-format.md."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...protocols import Field
from ...utils.files import atomic_write
from ...utils.progress import OnProgress
from ...utils.text import count_noun
from .volume import MIN_RESOLUTION, Volume, VolumeOptions, bake_volume

MAGIC = b"A124VOL\n"
VERSION = 1  # raise it when the layout changes; the viewer reads this version alone
SUFFIX = ".a124vol"
ZLIB_LEVEL = 9  # baked once, sent many times


def write_volume(
    field: Field,
    path: str | Path,
    options: VolumeOptions,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> int:  # bytes written
    """Bake a field and write it. On any failure an earlier file at path is untouched."""
    packed = baked_bytes(field, options, on_progress, device)
    with atomic_write(path) as temporary:
        temporary.write_bytes(packed)
    return len(packed)


def baked_bytes(
    field: Field,
    options: VolumeOptions,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> bytes:
    """Return the file's contents, baked again with fewer cells as long as they exceed the limit."""
    packed = pack_volume(bake_volume(field, options, on_progress, device), options)
    while len(packed) > options.megabytes * 1e6:
        resolution = _lower_resolution(options, len(packed))
        options = replace(options, resolution=resolution)
        packed = pack_volume(bake_volume(field, options, on_progress, device), options)
    return packed


def _lower_resolution(options: VolumeOptions, size: int) -> int:
    """Estimate the resolution that meets the limit: bytes grow somewhat faster than its square, for most cells that do
    not compress lie at surfaces."""
    if options.resolution == MIN_RESOLUTION:
        raise ValueError(
            f"{count_noun(options.frames, 'frame')} would take {size / 1e6:.2f} MB even with {MIN_RESOLUTION} cells, "
            f"{options.megabytes:g} are allowed: raise megabytes or lower frames."
        )
    share = (options.megabytes * 1e6 / size) ** 0.45
    return max(MIN_RESOLUTION, min(options.resolution - 1, int(options.resolution * share)))


def pack_volume(volume: Volume, options: VolumeOptions) -> bytes:
    """Pack magic, version, length of the header, header (JSON), frames (zlib)."""
    frames = [zlib.compress(_delta_encode(cells).numpy().tobytes(), ZLIB_LEVEL) for cells in volume.cells]
    offsets = [sum(len(f) for f in frames[:k]) for k in range(len(frames))]
    header = {
        "size": list(volume.cells.shape[:1:-1]),
        "box": [[round(v, 6) for v in corner] for corner in volume.box.tolist()],
        "peak": volume.peak,
        "loop": volume.loop,
        "seconds": options.seconds,
        "background": list(options.background),
        "camera": asdict(options.camera),
        "frames": [
            {"time": round(float(time), 6), "offset": offset, "bytes": len(frame)}
            for time, offset, frame in zip(volume.time, offsets, frames, strict=True)
        ],
    }
    text = json.dumps(header).encode()
    return b"".join([MAGIC, struct.pack("<II", VERSION, len(text)), text, *frames])


def _delta_encode(cells: Tensor) -> Tensor:  # (4, Z, Y, X) uint8 -> the same
    """Subtract from each byte its neighbour at smaller x, modulo 256: smooth colours become runs of small numbers."""
    return cells - torch.nn.functional.pad(cells[..., :-1], (1, 0))


def read_volume(path: str | Path) -> tuple[Volume, dict[str, Any]]:  # volume, header
    """Read a file that write_volume wrote; refuse anything else in one sentence."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} was not found: give the path of a {SUFFIX} file.")
    return unpack_volume(path.read_bytes(), str(path))


def unpack_volume(packed: bytes, name: str) -> tuple[Volume, dict[str, Any]]:  # volume, header
    """Invert pack_volume; name is what messages call the file."""
    header, start = _unpack_header(packed, name)
    size = tuple(header["size"])
    frames = []
    for entry in header["frames"]:
        begin = start + entry["offset"]
        frames.append(_unpack_frame(packed[begin : begin + entry["bytes"]], size, name))
    time = torch.tensor([entry["time"] for entry in header["frames"]])
    return Volume(torch.stack(frames), torch.tensor(header["box"]), time, header["peak"], header["loop"]), header


def _unpack_header(packed: bytes, name: str) -> tuple[dict[str, Any], int]:  # header, offset of the frames
    if packed[: len(MAGIC)] != MAGIC:
        raise ValueError(f"{name} is not a viewer file: give a {SUFFIX} file that this program wrote.")
    damaged = ValueError(f"{name} is incomplete or damaged: bake it again.")
    if len(packed) < len(MAGIC) + 8:
        raise damaged
    version, length = struct.unpack_from("<II", packed, len(MAGIC))
    if version != VERSION:
        raise ValueError(f"{name} has viewer file version {version}, this program reads {VERSION}: bake it again.")
    start = len(MAGIC) + 8 + length
    try:
        header = json.loads(packed[len(MAGIC) + 8 : start])
        end = max(entry["offset"] + entry["bytes"] for entry in header["frames"])
    except (ValueError, KeyError, TypeError):
        raise damaged from None
    if len(packed) < start + end:
        raise damaged
    return header, start


def _unpack_frame(packed: bytes, size: tuple[int, int, int], name: str) -> Tensor:  # (4, Z, Y, X) uint8
    try:
        differences = torch.frombuffer(bytearray(zlib.decompress(packed)), dtype=torch.uint8).reshape(4, *size[::-1])
    except (zlib.error, RuntimeError):
        raise ValueError(f"{name} is incomplete or damaged: bake it again.") from None
    return differences.long().cumsum(-1).byte()  # byte() keeps the lowest 8 bits: modulo 256 again
