"""Read safetensors: sizes, types and places are checked before a tensor is read, into memory that no file backs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from .json_files import MAX_BYTES, parse_json
from .text import quote_value
from .validate import readable_file

LENGTH_BYTES = 8  # of the header, little-endian, at the start of the file (the format's own rule)
MAX_AXES = 16
MAX_NUMEL = 2**62  # torch counts in 64 bits, axes of length 0 as 1
COPY = "use another copy"  # the advice for a damaged file
DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32,
    "I64": torch.int64, "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F16": torch.float16,
    "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "C64": torch.complex64,
    **{name: getattr(torch, f"uint{name[1:]}") for name in ("U16", "U32", "U64") if hasattr(torch, f"uint{name[1:]}")},
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A tensor of a file before it is read."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int  # first byte in the file
    end: int  # one past its last byte

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """What the header of a safetensors file says."""

    path: Path
    metadata: dict[str, str]
    entries: dict[str, Entry]


def read_layout(path: str | Path) -> Layout:
    """Read and check a header: ValueError unless its tensors fill the file exactly, without gaps or overlaps."""
    path = readable_file(path, COPY)  # opening a pipe would wait for ever
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            if size < LENGTH_BYTES + 2 or length > min(size - LENGTH_BYTES, MAX_BYTES):
                raise ValueError(f"{path} is incomplete or not a safetensors file: {COPY}.")
            text = file.read(length)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}): {COPY}.") from None
    header = parse_json(text, f"the header of {path}", COPY)
    metadata = _metadata(header.pop("__metadata__", None), path)
    entries = {_name(name, path): _entry(name, value, LENGTH_BYTES + length, path) for name, value in header.items()}
    _check_places(list(entries.values()), LENGTH_BYTES + length, size, path)
    return Layout(path, metadata, entries)


def _metadata(value: Any, path: Path) -> dict[str, str]:
    """Return the file's notes: text to text, all of it printable in UTF-8."""
    notes = {} if value is None else value
    if not isinstance(notes, dict) or not all(isinstance(v, str) for v in notes.values()):
        raise ValueError(f"{path} is not a safetensors file, its metadata are not texts: {COPY}.")
    if not all(is_text(text) for pair in notes.items() for text in pair):
        raise ValueError(f"{path} has metadata that are no text in UTF-8: {COPY}.")
    return notes


def _name(name: str, path: Path) -> str:
    if not is_text(name):
        raise ValueError(f"{path} has a tensor whose name is no text in UTF-8: {COPY}.")
    return name


def is_text(text: str) -> bool:
    """Return whether UTF-8 can hold it: escapes of JSON make surrogates without their other half."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entry(name: str, value: Any, data_start: int, path: Path) -> Entry:
    """Check one tensor's type, shape and number of bytes."""
    value = value if isinstance(value, dict) else {}
    dtype = value.get("dtype")
    shape, offsets = _integers(value.get("shape")), _integers(value.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None or len(offsets) != 2 or len(shape) > MAX_AXES:
        raise ValueError(f"{path} does not say type, shape and place of {quote_value(name)}: {COPY}.")
    if dtype not in DTYPES:
        kind = quote_value(dtype)
        raise ValueError(f"{path} holds {quote_value(name)} of type {kind}, which is not read here: convert it.")
    start, end = offsets
    if math.prod(max(n, 1) for n in shape) > MAX_NUMEL or end - start != math.prod(shape) * DTYPES[dtype].itemsize:
        raise ValueError(f"{path} is damaged, {quote_value(name)} has another size than its shape needs: {COPY}.")
    return Entry(DTYPES[dtype], shape, data_start + start, data_start + end)


def _integers(value: Any) -> tuple[int, ...] | None:
    """Return a list of integers, none negative; None for anything else, also 3.0 and true."""
    whole = isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)
    return tuple(value) if whole else None


def _check_places(entries: list[Entry], start: int, size: int, path: Path) -> None:
    """Check that tensors lie one behind the other from the header to the end of the file."""
    for entry in sorted(entries, key=lambda e: (e.start, e.end)):
        if entry.start != start:
            raise ValueError(f"{path} is damaged, its tensors overlap or leave gaps: {COPY}.")
        start = entry.end
    if start != size:
        raise ValueError(f"{path} is incomplete, it has {size} bytes and its header needs {start}: {COPY}.")


def read_entries(layout: Layout) -> dict[str, Tensor]:
    """Read all tensors; the file is closed and can be replaced when they are returned."""
    try:
        with layout.path.open("rb") as file:
            return {name: _read_entry(file, entry) for name, entry in layout.entries.items()}
    except (OSError, EOFError, RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else "the file ended early"
        raise ValueError(f"{layout.path} cannot be read ({reason[:200]}): free memory, or {COPY}.") from None


def _read_entry(file: BinaryIO, entry: Entry) -> Tensor:
    data = torch.empty(entry.end - entry.start, dtype=torch.uint8)
    file.seek(entry.start)
    if file.readinto(data.numpy()) != len(data):
        raise EOFError
    return data.view(entry.dtype).reshape(entry.shape)
