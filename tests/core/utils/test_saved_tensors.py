"""What this program saved is checked before it is read, and no file stays mapped."""

from __future__ import annotations

import json
import os
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from a124core.utils import safetensors_layout
from a124core.utils.files import write_tensors
from a124core.utils.safetensors_layout import read_entries, read_layout
from a124core.utils.saved_tensors import open_tensors, read_kind, read_tensors

TENSORS = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False]), "c": torch.zeros(0, 4)}


def raw(path: Path, header: Any, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's list of mapped files")
def test_a_file_that_was_read_is_not_mapped_and_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "adam.safetensors"
    write_tensors(path, {"exp_avg": torch.ones(1000, 1000)}, {"kind": "snapshot"})
    tensors, _ = read_tensors(path, "snapshot")
    assert str(path) not in Path("/proc/self/maps").read_text()
    write_tensors(path, {"exp_avg": torch.zeros(1000, 1000)}, {"kind": "snapshot"})
    assert tensors["exp_avg"].sum() == 1e6, "the numbers are the program's own"
    tensors["exp_avg"].mul_(2)
    assert read_tensors(path, "snapshot")[0]["exp_avg"].sum() == 0


def test_every_type_is_read_as_torch_wrote_it(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    rng = torch.Generator().manual_seed(0)
    values = torch.randint(0, 100, (3, 5), generator=rng)
    for name, dtype in safetensors_layout.DTYPES.items():
        tensors = {"x": values.to(dtype, copy=True), "none": torch.empty(0, 4, dtype=dtype)}
        tensors["scalar"] = values[1, 1].to(dtype).clone()
        save_file(tensors, tmp_path / "x.safetensors")
        back = read_entries(read_layout(tmp_path / "x.safetensors"))
        for key, tensor in tensors.items():
            assert back[key].dtype == dtype and back[key].shape == tensor.shape, name
            assert back[key].contiguous().view(-1).view(torch.uint8).equal(tensor.view(-1).view(torch.uint8)), name


F32 = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": F32 | {"shape": [2.0]}}, "type, shape and place"),
        ({"a": F32 | {"shape": [True, 2]}}, "type, shape and place"),
        ({"a": F32 | {"shape": [-2]}}, "type, shape and place"),
        ({"a": F32 | {"shape": [0, 2**62, 4], "data_offsets": [0, 0]}}, "another size"),
        ({"a": F32 | {"shape": [3]}}, "another size"),
        ({"a": F32 | {"dtype": "F4"}}, "not read here"),
        ({"a": F32, "b": F32}, "overlap"),
        ({"a": F32 | {"data_offsets": [4, 12]}}, "gaps"),
        ({"a": F32 | {"shape": [1], "data_offsets": [0, 4]}}, "its header needs"),
        ({"a": None}, "type, shape and place"),
        ({"__metadata__": {"format": 3}, "a": F32}, "metadata are not texts"),
        ({"__metadata__": {"format": "\ud800"}, "a": F32}, "UTF-8"),
        ({"\ud800": F32}, "UTF-8"),
        ([F32], "not an object"),
        (b"[" * 100_000, "JSON"),
        (b'{"a":' + b"1" * 5000 + b"}", "JSON"),
    ],
)
def test_headers_that_deceive_are_refused_before_anything_is_read(header: Any, words: str, tmp_path: Path) -> None:
    path = raw(tmp_path / "x.safetensors", header, b"\0" * 8)
    with pytest.raises(ValueError, match=words) as refused:
        read_layout(path)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 500
    assert read_kind(path) is None


def test_a_length_beyond_the_file_takes_no_memory(tmp_path: Path) -> None:
    for length in (2**63, 2**31, 30, 2**64 - 1):
        (tmp_path / "x.safetensors").write_bytes(struct.pack("<Q", length) + b"{}")
        with pytest.raises(ValueError, match="incomplete"):
            read_layout(tmp_path / "x.safetensors")


def test_numbers_of_a_header_that_are_not_finite_are_null(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, TENSORS, {"kind": "field", "x": [float("nan"), 10**400, {"y": float("inf")}, 2**63, 1.5]})
    assert open_tensors(path, "field").header["x"] == [None, None, {"y": None}, 2**63, 1.5]


@pytest.mark.skipif(os.name == "nt" or sys.platform == "win32" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission_is_one_sentence(tmp_path: Path) -> None:
    path = raw(tmp_path / "x.safetensors", {"a": F32}, b"\0" * 8)
    path.chmod(0)
    with pytest.raises(ValueError, match="may not be read"):
        read_layout(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(ValueError, match="is no file"):
        read_layout(tmp_path / "pipe.safetensors")
    assert read_kind(tmp_path / "pipe.safetensors") is None
