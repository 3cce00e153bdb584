"""Baked volumes in a format that a browser reads without a library, described in docs/viewer-format.md."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import asdict, replace

import torch
from torch import Tensor

from ...cameras.facing import from_front
from ...protocols import Field
from ...utils.progress import OnProgress
from ...utils.text import count_noun
from .volume import MIN_RESOLUTION, Volume, VolumeOptions, bake_volume

MAGIC = b"A124VOL\n"
VERSION = 1  # raise it when the layout changes; the viewer reads this version alone
SUFFIX = ".a124vol"
ZLIB_LEVEL = 9  # baked once, sent many times


def baked_bytes(
    field: Field,
    options: VolumeOptions,
    on_progress: OnProgress | None = None,
    device: torch.device | str | None = None,
) -> bytes:
    """Bake a field and pack it, again with fewer cells as long as it exceeds the limit. The camera is counted from the
    field's front."""
    options = replace(options, camera=from_front(options.camera, field.front))
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
