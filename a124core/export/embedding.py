"""Embeddings on disk: read in every common layout without running anything in the file; written as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..priors.weight_files import load_checkpoint
from ..utils.files import atomic_write, write_tensors
from ..utils.safetensors_layout import is_text
from ..utils.saved_tensors import read_tensors
from ..utils.text import quote_value

KEY = "emb_params"  # what ComfyUI, A1111 and their descendants expect in a safetensors embedding
MAX_BYTES = 256 * 2**20  # of a file; 75 rows of 768 numbers have 0.2 MB
MAX_ROWS, MAX_DIMS, MAX_NAME = 4096, 65536, 200


def read_embedding(path: str | Path) -> dict[str, Tensor]:
    """Read token or text encoder -> (n, d); the key is "" where a file names neither (its name is the token then)."""
    path = Path(path)
    if path.is_file() and path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than any embedding: give a file of textual inversion, a few kilobytes.")
    tables = _tables(load_checkpoint(path))
    if not tables:
        raise ValueError(f"{path} holds no embedding in a known layout: convert it to safetensors.")
    for name, table in tables.items():
        if not is_text(name) or len(name) > MAX_NAME:
            raise ValueError(f"{path} names an embedding {quote_value(name)}, no plain name: use another copy.")
        rows, dims = table.shape
        if not 1 <= rows <= MAX_ROWS or not 1 <= dims <= MAX_DIMS:
            raise ValueError(f"{path} holds a table of {rows} x {dims}, which is no embedding: use another copy.")
        if not table.isfinite().all():
            raise ValueError(f"{path} holds NaN or infinite values in {quote_value(name or KEY)}: use another copy.")
    return tables


def read_learned(path: str | Path) -> Tensor:  # (n, d)
    """Read the one table of a file that write_embedding wrote."""
    tables = read_embedding(path)
    if list(tables) != [""]:
        raise ValueError(f"{path} was not written here: learn the embedding again.")
    return tables[""]


def _tables(content: Any) -> dict[str, Tensor]:
    """Read A1111 {"string_to_param": {"*": T}}, {"emb_params": T}, {"clip_l": T}, diffusers {token: T}, a tensor."""
    if isinstance(content, Tensor):
        return _named({"": content})
    if not isinstance(content, dict):
        return {}
    parameters, name = content.get("string_to_param"), content.get("name")
    if isinstance(parameters, dict):
        name = name if isinstance(name, str) else ""
        return {name if token == "*" else token: table for token, table in _named(parameters).items()}
    return _named({"": content[KEY]} if isinstance(content.get(KEY), Tensor) else content)


def _named(content: dict[Any, Any]) -> dict[str, Tensor]:
    """Return the tables among the values, as copies that no file backs."""
    tables = {str(k): v for k, v in content.items() if isinstance(v, Tensor) and v.ndim in (1, 2)}
    return {k: _rows(v) for k, v in tables.items() if v.is_floating_point()}


def _rows(table: Tensor) -> Tensor:  # (d,) or (n, d) -> (n, d)
    return torch.atleast_2d(table.detach()).to(torch.float32, copy=True).contiguous()


def write_embedding(
    path: str | Path,  # its name without .safetensors is the token: embedding:name
    embedding: Tensor,  # (n, d)
    metadata: dict[str, str] | None = None,
) -> None:
    """Write a safetensors file that any host reads as `embedding:name`."""
    if embedding.ndim != 2 or not embedding.isfinite().all():
        raise ValueError(
            f"an embedding is a finite (n, d) table, this one is {tuple(embedding.shape)}: learn it again."
        )
    with atomic_write(path) as temporary:
        save_file({KEY: embedding.detach().float().cpu().contiguous()}, temporary, {"format": "pt", **(metadata or {})})


def save_progress(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write the state of an unfinished textual inversion."""
    write_tensors(path, tensors, {"kind": "token", **meta})


def load_progress(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the state of an unfinished textual inversion: tensors, metadata."""
    tensors, header = read_tensors(path, "token")
    return tensors, {name: value for name, value in header.items() if name not in ("kind", "version")}
