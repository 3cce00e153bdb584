"""Models in diffusers' folder layout, and Zero123's original files, in the host's model folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ...a124core.utils.json_files import read_json
from .folders import model_roots
from .modelscope import FOLDER as TEXT2VIDEO
from .modelscope import folder_files

ROOTS = ("diffusers", TEXT2VIDEO)  # under models, and what extra_model_paths.yaml adds to them
MODEL_FILES = ("unet/config.json", "text2video_pytorch_model.pth")  # either makes a folder a model
SUFFIXES = (".ckpt", ".safetensors")  # Zero123's original layout


def folders() -> dict[str, Path]:
    """Return name in the menu -> path of every model folder or single file; nothing without a host."""
    folder_files(TEXT2VIDEO)  # registers the folder with the host
    named: dict[str, Path] = {}
    for kind in ROOTS:
        for root in model_roots(kind):
            for path in _models(root, depth=2):
                named.setdefault(f"{kind}/{path.relative_to(root).as_posix()}", path)
    return dict(sorted(named.items()))


def _models(root: Path, depth: int) -> Iterator[Path]:
    """Yield the models in a folder, and in folders named for their owners."""
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.is_dir() and is_model(path):
            yield path
        elif path.is_dir() and depth > 1:
            yield from _models(path, depth - 1)
        elif path.suffix in SUFFIXES and path.is_file():
            yield path


def is_model(folder: Path) -> bool:
    """Return whether a folder is a whole model, or a ControlNet's own."""
    return any((folder / name).is_file() for name in MODEL_FILES) or _class_name(folder) == "ControlNetModel"


def _class_name(folder: Path) -> str:
    try:
        return str(read_json(folder / "config.json", "give the folder of a model").get("_class_name", ""))
    except ValueError:
        return ""


def missing_model(name: str) -> str:
    """Return what to do about a model that a workflow names and this machine does not have."""
    return (
        f"{name!r} is not there: copy the model's whole folder (unet, vae, ...) into models/diffusers, or into a "
        "folder that extra_model_paths.yaml names diffusers or text2video, refresh the page's node definitions (key "
        "R) and choose it. Nothing is downloaded."
    )


def folder_stamp(path: Path) -> str:
    """Return a text that changes when a model's files do."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return str([(f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in files if f.is_file()])
