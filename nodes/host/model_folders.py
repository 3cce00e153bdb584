"""Folders of models and learned words, looked up where the host keeps them."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from ...a124core.export.embedding import read_embedding
from .modelscope import FOLDER as TEXT2VIDEO
from .modelscope import folder_files

PLACES = ("diffusers", TEXT2VIDEO)  # under models, and what extra_model_paths.yaml adds to them
MARKS = ("unet/config.json", "text2video_pytorch_model.pth")
FILES = (".ckpt", ".safetensors")  # Zero123's original layout
NAMED = re.compile(r"embedding:([\w-]+)")


def folders() -> dict[str, Path]:
    """Name in the menu -> path, of every model folder or single file; nothing without a host."""
    paths = sys.modules.get("folder_paths")
    if paths is None:
        return {}
    folder_files(TEXT2VIDEO)  # registers the folder where nobody has yet
    found: dict[str, Path] = {}
    for place in PLACES:
        for base in map(Path, paths.get_folder_paths(place) if place in paths.folder_names_and_paths else ()):
            for path in _models(base, depth=2):
                found.setdefault(f"{place}/{path.relative_to(base).as_posix()}", path)
    return dict(sorted(found.items()))


def _models(base: Path, depth: int) -> Iterator[Path]:
    """Models in a folder, and in folders named for their owners."""
    if not base.is_dir():
        return
    for path in sorted(base.iterdir()):
        if path.is_dir() and is_model(path):
            yield path
        elif path.is_dir() and depth > 1:
            yield from _models(path, depth - 1)
        elif path.suffix in FILES and path.is_file():
            yield path


def is_model(folder: Path) -> bool:
    """A whole model, or a ControlNet's own folder."""
    return any((folder / mark).is_file() for mark in MARKS) or _class(folder) == "ControlNetModel"


def _class(folder: Path) -> str:
    try:
        return str(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("_class_name", ""))
    except (OSError, ValueError, AttributeError):
        return ""


def where_to_put(name: str) -> str:
    """What to do about a model that a workflow names and this machine has not."""
    return (
        f"{name!r} is not there: copy the model's whole folder (unet, vae, ...) into models/diffusers, or into a "
        "folder that extra_model_paths.yaml names diffusers or text2video, refresh the page's node definitions (key "
        "R) and choose it. Nothing is downloaded."
    )


def stamp(path: Path) -> str:
    """Changes when a model's files do."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return str([(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()])


def words_in(prompt: str) -> dict[str, Tensor]:
    """The learned words that a prompt names as embedding:name, from the host's folders for embeddings."""
    return {name: _word(name) for name in NAMED.findall(prompt)}


def _word(name: str) -> Tensor:
    paths = sys.modules.get("folder_paths")
    bases = [] if paths is None else paths.get_folder_paths("embeddings")
    found = next((p for b in bases for p in sorted(Path(b).glob(f"{name}.*"))), None)
    if found is None:
        raise ValueError(f"embedding:{name} is not in models/embeddings: learn it first, or check its name.")
    tables = read_embedding(found)
    if len(tables) != 1:
        raise ValueError(f"{found.name} holds {len(tables)} words: give a file with one.")
    return next(iter(tables.values()))
