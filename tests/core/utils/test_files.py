"""Files are complete or not there; what is not ours, cut or of another version is refused."""

from __future__ import annotations

import errno
import json
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from a124core.utils import files
from a124core.utils.files import atomic_write, in_order, write_json, write_tensors
from a124core.utils.saved_tensors import read_kind, read_tensors

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False]), "c": torch.zeros(0)}


def test_files_are_in_the_order_of_their_numbers() -> None:
    names = ["b.png", "frame_10.png", "frame_9.png", "Frame_1.png", "10.png", "9.png", "²x.png", "frame_009b.png"]
    expected = ["9.png", "10.png", "b.png", "Frame_1.png", "frame_9.png", "frame_009b.png", "frame_10.png", "²x.png"]
    assert [file.name for file in in_order(map(Path, names))] == expected


def test_round_trip(tmp_path: Path) -> None:
    shared = torch.rand(4, 5)
    tensors = {**TENSORS, "view": shared.T, "same": shared, "graph": torch.ones(2, requires_grad=True)}
    write_tensors(tmp_path / "x.safetensors", tensors, {"kind": "snapshot", "step": 3, "nested": {"a": [1, "ü"]}})
    back, header = read_tensors(tmp_path / "x.safetensors", "snapshot")
    assert set(back) == set(tensors) and all(torch.equal(back[k], tensors[k].detach()) for k in tensors)
    assert header == {"kind": "snapshot", "step": 3, "nested": {"a": [1, "ü"]}, "version": files.VERSIONS["snapshot"]}
    assert read_kind(tmp_path / "x.safetensors") == "snapshot"
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_failed_write_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_json(path, {"good": 1})
    for error, kind, words in (
        (OSError(errno.ENOSPC, "No space left on device"), OSError, "disk is full.*kept"),
        (OSError(errno.EACCES, "denied"), OSError, "may not be written"),
        (OSError(errno.EROFS, "read-only"), OSError, "the disk can only be read"),
        (OSError(errno.EFBIG, "too large"), OSError, "no file may be that large"),
        (SafetensorError("Error while serializing: I/O error: too large (os error 27)"), OSError, "be that large"),
        (OSError(errno.EIO, "Input/output error", "x"), OSError, r"not written \(Input/output error\)"),
        (ValueError("other"), ValueError, "other"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ):
        with pytest.raises(kind, match=words) as refused, atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error
        assert "\n" not in str(refused.value) and "[Errno" not in str(refused.value)
        assert json.loads(path.read_text()) == {"good": 1}
        assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_really_full_disk(tmp_path: Path) -> None:
    target = tmp_path / "x.bin"
    with pytest.raises(OSError, match="disk is full"), atomic_write(target), open("/dev/full", "wb") as full:
        full.write(b"x" * 100_000)


def test_a_disk_without_inodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = namedtuple("state", "f_files f_favail")
    monkeypatch.setattr(files.os, "statvfs", lambda folder: state(100, 0), raising=False)
    with pytest.raises(OSError, match="the disk takes no more files"), atomic_write(tmp_path / "x.bin"):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="folder does not exist"):
        write_json(tmp_path / "none" / "x.json", {})


def test_json_has_no_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": float("nan"), "b": [float("inf"), 1.5], "c": Path("p")})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": None, "b": [None, 1.5], "c": "p"}


def _refused(path: Path, words: str, kind: str = "field") -> None:
    with pytest.raises(ValueError, match=words) as refused:
        read_tensors(path, kind)
    assert "\n" not in str(refused.value)


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    _refused(path, "not found")
    path.write_text("no tensors here, but long enough to hold a header length")
    _refused(path, "not a safetensors")
    save_file(TENSORS, path)
    _refused(path, "not written by this program")
    assert read_kind(path) is None
    write_tensors(path, TENSORS, {"kind": "snapshot"})
    _refused(path, "holds a snapshot, a field is needed")
    whole = path.read_bytes()
    for length in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        _refused(path, "incomplete", "snapshot")
    write_tensors(path, {"a": torch.tensor([1.0, float("nan")])}, {"kind": "field"})
    _refused(path, "NaN")
    monkeypatch.setitem(files.VERSIONS, "field", 9)
    write_tensors(path, TENSORS, {"kind": "field"})
    monkeypatch.undo()
    _refused(path, "has file version 9.*up to version 3")
    with pytest.raises(ValueError, match="kind"):
        write_tensors(path, TENSORS, {})
