"""Files of textual inversion: the embedding where the host looks for it, and the progress of a run."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from ...a124core.export.embedding import read_learned, write_embedding
from ...a124core.runs.store import TOKEN_FORMAT, RunStore
from ...a124core.utils.safetensors_layout import read_layout
from ..host.embeddings import embeddings_folder
from ..optimize.store import open_store

CREATOR = "animate124"
SNAPSHOT, RESULT = "progress.safetensors", "word.safetensors"  # of one run


def embedding_store(run: str) -> RunStore:
    """Return the store of one run, by its cache key: a snapshot, then the embedding."""
    return open_store(f"token-{run}", (SNAPSHOT,), TOKEN_FORMAT)


def embedding_path(name: str, run: str | None) -> Path:
    """Return where the host looks for `embedding:name`, if it may be written.

    Never overwritten: a file of somebody else, or an embedding of another run; None: the user restarts, which may
    replace any of ours.
    """
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ValueError(f"the name {name!r} is no name of an embedding: use letters, digits, - and _, as in my_panda.")
    folder = embeddings_folder()
    path = folder / f"{name}.safetensors"
    others = [p for p in folder.glob(f"{name}.*") if p != path and p.suffix in (".pt", ".bin")]
    notes = _notes(path) if path.is_file() else None
    if others or (notes is not None and notes.get("made_by") != CREATOR):
        raise ValueError(f"an embedding {name} that was not learned here is in {folder}: choose another name.")
    if notes is not None and run is not None and notes.get("run") != run:
        raise ValueError(
            f"{folder} holds an embedding {name} of another picture, model or setting: choose another name, or set "
            "resume to restart to learn it again and replace that one."
        )
    return path


def save_embedding(path: Path, embedding: Tensor, notes: dict[str, str]) -> None:
    """Write the embedding with its notes, unless the file is the same: nodes that depend on it would start again."""
    notes = {"made_by": CREATOR, **notes}
    if path.is_file() and notes.items() <= _notes(path).items() and torch.equal(read_learned(path), embedding):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_embedding(path, embedding, notes)


def _notes(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file; nothing where it cannot be read."""
    try:
        return read_layout(path).metadata
    except ValueError:
        return {}
