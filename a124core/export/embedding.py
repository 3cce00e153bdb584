"""Embeddings on disk: read in every common layout without running anything in the file; written as safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from ..priors.weight_files import load_checkpoint
from ..utils.files import atomic_write, read_tensors, write_tensors

KEY = "emb_params"  # what ComfyUI, A1111 and their descendants expect in a safetensors embedding


def read_embedding(path: str | Path) -> dict[str, Tensor]:
    """Read token or text encoder -> (n, d); the key is "" where a file names neither (its name is the token then)."""
    path = Path(path)
    tables = _tables(load_checkpoint(path))
    if not tables:
        raise ValueError(f"{path} holds no embedding in a known layout: convert it to safetensors.")
    for name, table in tables.items():
        if not table.isfinite().all():
            raise ValueError(f"{path} holds NaN or infinite values in {name or KEY!r}: use another copy.")
    return tables


def _tables(content: Any) -> dict[str, Tensor]:
    """Read A1111 {"string_to_param": {"*": T}}, {"emb_params": T}, {"clip_l": T}, diffusers {token: T}, a tensor."""
    if isinstance(content, Tensor):
        return {"": _rows(content)} if content.is_floating_point() and content.ndim in (1, 2) else {}
    if not isinstance(content, dict):
        return {}
    if isinstance(content.get("string_to_param"), dict):
        tables = _tables(content["string_to_param"])
        name = content.get("name")
        name = name if isinstance(name, str) else ""
        return {name if token == "*" else token: table for token, table in tables.items()}
    tables = {str(k): _rows(v) for k, v in content.items() if isinstance(v, Tensor) and v.ndim in (1, 2)}
    tables = {k: v for k, v in tables.items() if v.is_floating_point()}
    return {"": tables[KEY]} if KEY in tables else tables


def _rows(table: Tensor) -> Tensor:  # (d,) or (n, d) -> (n, d)
    return table.detach().float().reshape(-1, table.shape[-1]).clone()


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
