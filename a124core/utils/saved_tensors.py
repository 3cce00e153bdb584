"""Read the tensors that this program saved: the header first, so that a caller can refuse before anything is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .files import FORMAT, VERSIONS
from .json_files import parse_json
from .safetensors_layout import COPY, Layout, is_text, read_entries, read_layout
from .text import START_OVER, quote_value
from .validate import MAX_NUMBER, readable_file

ADVICE = {"field": "make it again", "snapshot": START_OVER, "token": START_OVER, "lora": START_OVER}


class NewerFileError(ValueError):
    """The file was written by a later release: whole, and not to be replaced."""


@dataclass(frozen=True)
class SavedTensors:
    """A file of ours whose header was checked and whose tensors are not read yet."""

    layout: Layout
    header: dict[str, Any]  # "kind" and the file's "version" are among it

    @property
    def damaged(self) -> str:
        """Return the end of a message about a damaged file."""
        return f": the file is damaged, {ADVICE[self.header['kind']]}."

    def check_entry(self, name: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> None:
        """Refuse a tensor that is missing, or of another shape or type, before anything is read."""
        entry = self.layout.entries.get(name)
        actual = "missing" if entry is None else entry.shape
        if actual != shape:
            raise ValueError(f"{self.layout.path}: {name} is {actual}, but {shape} is needed{self.damaged}")
        if entry.dtype != dtype:
            raise ValueError(f"{self.layout.path}: {name} is {entry.dtype}, but {dtype} is needed{self.damaged}")

    def check_occupancy(self) -> None:
        """Refuse an occupancy grid that is not (S, G, G, G) with at least one cell."""
        shape = self.layout.entries["occupancy"].shape if "occupancy" in self.layout.entries else ()
        slices, size = (max(1, shape[0]), max(1, shape[-1])) if shape else (1, 1)
        self.check_entry("occupancy", (slices, size, size, size))

    def check_names(self, names: Iterable[str]) -> None:
        """Refuse a tensor that is not one of these."""
        unknown = sorted(self.layout.entries.keys() - set(names))
        if unknown:
            raise ValueError(f"{self.layout.path} holds {quote_value(unknown[0])}, which is unknown{self.damaged}")

    def number(self, name: str, default: float | None = None) -> float:
        """Return a number of the header that is finite and not negative."""
        value = self.header.get(name, default)
        if type(value) not in (int, float) or not 0 <= value < MAX_NUMBER:
            raise ValueError(f"{self.layout.path}: {name} is no number from 0 on{self.damaged}")
        return value

    def whole(self, name: str, low: int = 0) -> int:
        """Return a whole number of the header, from low on."""
        value = self.header.get(name)
        if type(value) is not int or not low <= value < MAX_NUMBER:
            raise ValueError(f"{self.layout.path}: {name} is no whole number{self.damaged}")
        return value

    def read(self) -> dict[str, Tensor]:
        """Read all tensors into memory; refuse numbers that are not finite."""
        tensors = read_entries(self.layout)
        for name, tensor in tensors.items():
            if not _is_finite(tensor):
                raise ValueError(
                    f"{self.layout.path} holds NaN or infinite values in {quote_value(name)}: use an earlier file."
                )
        return tensors


def _is_finite(tensor: Tensor) -> bool:
    """Check the smallest and the largest number: no copy is made, and NaN is both."""
    if not tensor.is_floating_point() or not tensor.numel():
        return True
    smallest, largest = (tensor.float() if tensor.element_size() == 1 else tensor).aminmax()
    return bool(smallest.isfinite() and largest.isfinite())


def open_tensors(path: str | Path, kind: str) -> SavedTensors:
    """Read the header of a file of that kind; refuse anything else in one sentence."""
    path = readable_file(path, f"give the path of a {kind} file (.safetensors) this program wrote")
    layout = read_layout(path)
    return SavedTensors(layout, _parse_header(layout.metadata, kind, path))


def read_tensors(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read tensors and header of a file of that kind, whatever they are called."""
    saved = open_tensors(path, kind)
    return saved.read(), saved.header


def read_kind(path: str | Path) -> str | None:
    """Return the kind of one of our files; None for any other file."""
    try:
        metadata = read_layout(path).metadata
    except ValueError:
        return None
    return metadata.get("kind") if metadata.get("format") == FORMAT else None


def _parse_header(metadata: dict[str, str], kind: str, path: Path) -> dict[str, Any]:
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by this program: give a {kind} file that it saved.")
    if metadata.get("kind") != kind:
        actual = metadata.get("kind", "file")
        actual = actual if actual in VERSIONS else "file of another kind"
        raise ValueError(f"{path} holds a {actual}, a {kind} is needed: give another file.")
    version, newest = metadata.get("version", ""), VERSIONS[kind]
    if version not in map(str, range(1, newest + 1)):
        later = version.isascii() and version.isdigit() and len(version) < 20 and int(version) > newest
        raise (NewerFileError if later else ValueError)(
            f"{path} has file version {version[:20] if version.isascii() and version.isalnum() else 'unknown'}, this "
            f"program reads {kind} files up to version {newest}: open it with the release that wrote it, or "
            f"{ADVICE[kind]}."
        )
    header = parse_json(metadata.get("header", ""), f"the header of {path}", COPY)
    if not is_text(json.dumps(header, ensure_ascii=False)):
        raise ValueError(f"the header of {path} is no text in UTF-8: {COPY}.")
    return _with_finite_numbers(header) | {"kind": kind, "version": int(version)}


def _with_finite_numbers(value: Any) -> Any:
    """Return JSON content whose numbers that are not finite, or larger than any of ours, are null."""
    if isinstance(value, dict):
        return {name: _with_finite_numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_finite_numbers(item) for item in value]
    return None if isinstance(value, (int, float)) and not abs(value) < MAX_NUMBER else value
