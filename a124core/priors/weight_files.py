"""Read weights from foreign files: tensors alone, no code in them is run."""

from __future__ import annotations

import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

SAFE_TORCH = "2.6"  # before it, weights_only did not keep its promise (CVE-2025-32434)
# Old checkpoints carry the training program's callbacks beside the weights. Their names are read as empty classes.
SHELLS = (("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint"),)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors, .ckpt, .pth or .bin as name -> tensor; a `state_dict` inside is opened."""
    content = load_checkpoint(path)
    inner = content.get("state_dict", content) if isinstance(content, dict) else {}
    return {str(n): w for n, w in inner.items() if isinstance(w, Tensor)} if isinstance(inner, dict) else {}


def load_checkpoint(path: Path) -> Any:
    """Load tensors, texts, numbers, dicts and lists from a file of weights; anything else in it is refused."""
    if not path.is_file():
        raise ValueError(f"{path} was not found: check its name.")
    try:
        return load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path} contains more than tensors and was not opened, for your safety: convert it to .safetensors."
        ) from None
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path} is damaged or holds no weights ({reason}): copy it again.") from None


def _unpickled(path: Path) -> Any:
    if torch.__version__ < SAFE_TORCH:
        raise ValueError(
            f"{path.name} could run code in torch {torch.__version__} (CVE-2025-32434): "
            f"update torch to {SAFE_TORCH} or newer, or convert the file to .safetensors."
        )
    shells = [type(name, (), {"__module__": module}) for module, name in SHELLS]
    mappable = zipfile.is_zipfile(path) and sys.platform != "win32"  # torch's zip layout need not be read whole
    with torch.serialization.safe_globals(shells):
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mappable)
