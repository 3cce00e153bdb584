"""Learned embeddings that a prompt names as embedding:name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from ...a124core.export.embedding import read_embedding
from .folders import model_roots, output_folder

MARK = "embedding:"
HOST_NAME = re.compile(rf"{MARK}([^\s,:()<\[\]]+)")  # as the host's tokenizers read it
FOLDER_NAME = re.compile(rf"{MARK}([\w-]+)")  # as the core reads it, for diffusers folders


def embeddings_folder() -> Path:
    """Return the first of the host's folders for embeddings; ./output/animate124/embeddings without a host."""
    return next(iter(model_roots("embeddings")), output_folder() / "embeddings")


def read_embeddings(prompt: str) -> dict[str, Tensor]:  # (n, d) each
    """Return the embeddings that a prompt names, by name, from the host's folders."""
    return {name: _read(name) for name in FOLDER_NAME.findall(prompt)}


def _read(name: str) -> Tensor:
    path = next((p for root in model_roots("embeddings") for p in sorted(root.glob(f"{name}.*"))), None)
    if path is None:
        raise ValueError(f"{MARK}{name} is not in models/embeddings: learn it first, or check its name.")
    tables = read_embedding(path)
    if len(tables) != 1:
        raise ValueError(f"{path.name} holds {len(tables)} embeddings: use a file with one.")
    return next(iter(tables.values()))


def check_embeddings(clip: Any, text: str) -> None:
    """Raise ValueError for an embedding:name that the host would drop with a line in its log."""
    if MARK not in text or count_embeddings(clip, text) >= text.count(MARK):
        return
    missing = [name for name in HOST_NAME.findall(text) if not count_embeddings(clip, f"{MARK}{name}")]
    if not missing:
        raise ValueError(f"an '{MARK}' in {text!r} has no space before it: put a space in front of each.")
    raise ValueError(
        f"{MARK}{missing[0]} is not read: no file of that name is in models/embeddings, or its dimensions are those of "
        "another family (SD 1.5 768, SD 2 1024); correct the name, learn it with this checkpoint, or leave it out."
    )


def count_embeddings(clip: Any, text: str) -> int:
    """Return how many embeddings of the right width a text encoder finds in a text; of several encoders, the most."""
    return max(_count(clip, name, rows) for name, rows in clip.tokenize(text, return_word_ids=True).items())


def _count(clip: Any, name: str, rows: list) -> int:
    tokenizer = getattr(clip.tokenizer, f"clip_{name}", getattr(clip.tokenizer, name, None))
    width = getattr(tokenizer, "embedding_size", None)
    tokens = [(token, word_id) for row in rows for token, _, word_id in row if isinstance(token, Tensor)]
    return len({word_id for token, word_id in tokens if width in (None, token.shape[-1])})
