"""The reader of the viewer's file: the same cells again, and one sentence for everything that is no such file."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib

import pytest
import torch

from a124core.export.viewer.volume import Volume, VolumeOptions
from a124core.export.viewer.volume_file import pack_volume
from tests.fuzz.read_volume import read_volume

BOX = torch.tensor([[-0.5, -0.4, -0.3], [0.5, 0.6, 0.7]])
CELLS = torch.randint(0, 256, (3, 4, 4, 3, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
WHOLE = pack_volume(Volume(CELLS, BOX, torch.tensor([0.0, 0.5, 1.0]), 50.0, False), VolumeOptions())
(LENGTH,) = struct.unpack_from("<I", WHOLE, 12)
HEADER, FRAMES = json.loads(WHOLE[16 : 16 + LENGTH]), WHOLE[16 + LENGTH :]
NOTHING = zlib.compress(bytes(64 * 2**20), 9)


def file(header: object, frames: bytes = FRAMES) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return WHOLE[:12] + struct.pack("<I", len(text)) + text + frames


def changed(**entries: object) -> bytes:
    return file({**HEADER, **entries})


def one_frame(packed: bytes, size: list[int]) -> bytes:
    return file({**HEADER, "size": size, "frames": [{"time": 0.0, "offset": 0, "bytes": len(packed)}]}, packed)


def test_the_same_cells_come_back() -> None:
    cells, header = read_volume(WHOLE)
    assert torch.equal(cells, CELLS) and header == HEADER
    as_floats = file(json.dumps({**HEADER, "size": [5.0, 3.0, 4.0]}).encode("utf-8-sig"))
    assert torch.equal(read_volume(as_floats)[0], CELLS)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "no viewer file"),
        (WHOLE[:12], "incomplete"),
        (WHOLE[:100], "incomplete"),
        (WHOLE[:-1], "incomplete"),
        (WHOLE[:8] + b"\x07" + WHOLE[9:], "version 7"),
        (WHOLE[:12] + b"\xff\xff\xff\xff" + WHOLE[16:], "header is too long"),
        (file(b"\xff\xfe{}"), "not JSON"),
        (file(b"{"), "not JSON"),
        (file(b"[" * 10**5), "not JSON"),
        (file([1, 2]), "no object"),
        (file(b'{"": NaN}'), "not JSON"),
        (changed(size=[4, 4]), "the size"),
        (changed(size=[4, 4.5, 4]), "the size"),
        (changed(size=[True, 1, 1]), "the size"),
        (changed(size=[-5, -3, 4]), "the size"),
        (changed(size=[4096, 1, 1]), "the size"),
        (changed(size=[10**400, 1, 1]), "the size"),
        (changed(box=[True, [1, 1, 1]]), "the box"),
        (changed(box=[[0, 0, 0], [1, 0, 1]]), "the box"),
        (changed(box=[[0, 0, 0], [1, float("nan"), 1]]), "not JSON"),
        (changed(peak="50"), "the peak"),
        (changed(peak=float("inf")), "not JSON"),
        (file(json.dumps({**HEADER, "peak": 1234}).replace("1234", "1e999").encode()), "the peak"),
        (changed(peak=-1.0), "the peak"),
        (changed(loop=0), "the loop"),
        (changed(seconds=0), "the seconds"),
        (changed(background=[0.0, 2.0, 0.0]), "the background"),
        (changed(camera={"elevation": 0}), "the camera"),
        (changed(camera=[]), "the camera"),
        (changed(frames=[]), "the frames"),
        (changed(frames=[3]), "the frames"),
        (changed(frames=HEADER["frames"] * 100), "the frames"),
        (changed(frames=HEADER["frames"][::-1]), "the frames"),
        (changed(frames=[{**HEADER["frames"][0], "offset": -1}]), "the frames"),
        (changed(frames=[{**HEADER["frames"][0], "bytes": 10**9}]), "incomplete"),
        (changed(size=[1024, 1024, 1024]), "unpacks to 12288 MB"),
        (changed(size=[256, 256, 256]), "too short for its cells"),
        (changed(size=[5, 3, 5]), "another size"),
        (one_frame(NOTHING, [2, 2, 2]), "another size"),
        (one_frame(NOTHING + b"x", [256, 256, 256]), "another size"),
        (one_frame(NOTHING[:-1] + b"x", [256, 256, 256]), "does not unpack"),
        (one_frame(b"x" * 300, [5, 3, 4]), "does not unpack"),
    ],
)
def test_everything_else_is_refused_in_one_sentence(packed: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read_volume(packed)
    assert len(str(refused.value).splitlines()) == 1 and str(refused.value).endswith("bake it again.")


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """65 kB that hold 64 MB where 32 bytes are said to be."""
    tracemalloc.start()
    with pytest.raises(ValueError, match="another size"):
        read_volume(one_frame(NOTHING, [2, 2, 2]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**20
