"""A LoRA on disk, in kohya's layout, which ComfyUI, A1111 and diffusers read; and the progress of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..priors.lora import ALPHA, DOWN, UP
from ..priors.weight_files import load_checkpoint
from ..utils.files import atomic_write, write_tensors
from ..utils.saved_tensors import read_tensors


def write_lora(path: str | Path, lora: dict[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write down (r, in) and up (out, r) by name, with alpha = r beside them: what is added is up down itself."""
    if not lora or not all(t.isfinite().all() for t in lora.values()):
        raise ValueError("the LoRA is empty or holds NaN or infinite values: learn it again.")
    tensors = {name: t.detach().float().cpu().contiguous() for name, t in lora.items()}
    alphas = {name.removesuffix(DOWN) + ALPHA: torch.tensor(float(len(t))) for name, t in lora.items()
              if name.endswith(DOWN)}
    with atomic_write(path) as temporary:
        save_file(tensors | alphas, temporary, {"format": "pt", **(metadata or {})})


def read_lora(path: str | Path) -> dict[str, Tensor]:
    """Read down and up of a file that write_lora wrote."""
    content = load_checkpoint(Path(path))
    lora = {name: t.float() for name, t in content.items() if name.endswith((DOWN, UP))}
    bases = {name.removesuffix(DOWN).removesuffix(UP) for name in lora}
    if not bases or set(content) != {base + end for base in bases for end in (DOWN, UP, ALPHA)}:
        raise ValueError(f"{path} was not written here: learn the LoRA again.")
    return lora


def save_lora_progress(path: str | Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Write the state of an unfinished DreamBooth run."""
    write_tensors(path, tensors, {"kind": "lora", **meta})


def load_lora_progress(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the state of an unfinished DreamBooth run: tensors, metadata."""
    tensors, header = read_tensors(path, "lora")
    return tensors, {name: value for name, value in header.items() if name not in ("kind", "version")}
