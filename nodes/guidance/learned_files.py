"""Files of what is learned from a picture: the result where the host looks for it, and the progress of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...a124core.runs.store import LORA_FORMAT, TOKEN_FORMAT, FileFormat, RunStore
from ...a124core.utils.safetensors_layout import read_layout
from ..host.dreambooth import loras_folder
from ..host.embeddings import embeddings_folder
from ..optimize.store import open_store

CREATOR = "animate124"
SNAPSHOT = "progress.safetensors"  # of one run


@dataclass(frozen=True)
class LearnedKind:
    """A kind of file that is learned."""

    name: str  # in a sentence
    article: str
    folder: Callable[[], Path]  # the host's
    format: FileFormat
    stage: str  # begins the name of a run's folder
    result: str  # the finished file in it

    @property
    def named(self) -> str:
        return f"{self.article} {self.name}"


EMBEDDING = LearnedKind("embedding", "an", lambda: embeddings_folder(), TOKEN_FORMAT, "token", "word.safetensors")
LORA = LearnedKind("LoRA", "a", lambda: loras_folder(), LORA_FORMAT, "lora", "lora.safetensors")


def run_store(kind: LearnedKind, run: str) -> RunStore:
    """Return the store of one run, by its cache key: a snapshot, then the result."""
    return open_store(f"{kind.stage}-{run}", (SNAPSHOT,), kind.format)


def learned_path(kind: LearnedKind, name: str, run: str | None) -> Path:
    """Return where the host looks for a file of this name, if it may be written.

    Never overwritten: a file of somebody else, or one of another run; None: the user restarts, which may replace any of
    ours.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError(
            f"the name {name!r} is no name of {kind.named}: use letters, digits, - and _, as in my_panda."
        )
    folder = kind.folder()
    path = folder / f"{name}.safetensors"
    others = [p for p in folder.glob(f"{name}.*") if p != path and p.suffix in (".pt", ".bin")]
    notes = _notes(path) if path.is_file() else None
    if others or (notes is not None and notes.get("made_by") != CREATOR):
        raise ValueError(f"{kind.named} {name} that was not learned here is in {folder}: choose another name.")
    if notes is not None and run is not None and notes.get("run") != run:
        raise ValueError(
            f"{folder} holds {kind.named} {name} of another picture, model or setting: choose another name, or set "
            "resume to restart to learn it again and replace that one."
        )
    return path


def save_learned(kind: LearnedKind, path: Path, result: Any, notes: dict[str, str]) -> None:
    """Write the result with its notes, unless the file is the same: nodes that depend on it would start again."""
    notes = {"made_by": CREATOR, **notes}
    if path.is_file() and notes.items() <= _notes(path).items() and _equal(kind.format.read_result(path), result):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    kind.format.write_result(path, result, notes)


def _equal(a: Any, b: Any) -> bool:
    """Compare two tensors, or two dicts of them."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _notes(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; nothing where it cannot be read."""
    try:
        return read_layout(path).metadata
    except ValueError:
        return {}
