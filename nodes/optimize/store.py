"""The store of the optimizer nodes: a folder for each set of inputs, all together below a limit."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from ...a124core.runs.store import FIELD_FORMAT, FileFormat, RunStore, modified
from ..host.folders import output_folder

LIMIT_GB = 8.0  # all folders together; the oldest go first; A124_SNAPSHOTS_GB says otherwise
RESULT = "field.safetensors"
SLOTS = ("a.safetensors", "b.safetensors")


def open_store(key: str, slots: tuple[str, ...] = SLOTS, format: FileFormat = FIELD_FORMAT) -> RunStore:
    """Return the store of one run, by its cache key; using it makes it the youngest."""
    folder = output_folder() / "snapshots" / key
    with suppress(OSError):  # not there yet, or read-only
        os.utime(folder)
    return RunStore(folder, slots, format)


def usage(store: RunStore) -> str:
    """Say how much all runs together take."""
    total = sum(_size(f) for f in _folders(store))
    parent = "/".join(store.folder.parent.parts[-3:])  # output/animate124/snapshots
    return f"{total / 2**30:.2f} of {limit_gb():g} GB kept in {parent}."


def trim(store: RunStore) -> None:
    """Over the limit, delete whole runs, the one not used for longest first; never this one."""
    others = sorted((f for f in _folders(store) if f != store.folder), key=modified)
    total = _size(store.folder) + sum(_size(f) for f in others)
    for folder in others:
        if total <= limit_gb() * 2**30:
            return
        total -= _size(folder)
        shutil.rmtree(folder, ignore_errors=True)


def limit_gb() -> float:
    """Return what all runs together may take; a value that is no number counts as not given."""
    try:
        return float(os.environ.get("A124_SNAPSHOTS_GB", LIMIT_GB))
    except ValueError:
        return LIMIT_GB


def _folders(store: RunStore) -> list[Path]:
    return [f for f in store.folder.parent.iterdir() if f.is_dir()] if store.folder.parent.is_dir() else []


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.glob("*") if f.is_file())
