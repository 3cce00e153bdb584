"""The store of the optimizer nodes: a folder for each set of inputs, all together below a limit."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ...a124core.runs.store import FIELD_FORMAT, FileFormat, RunStore, modified
from ...a124core.utils.lock import InUseError, locked
from ...a124core.utils.temporary import sweep
from ...a124core.utils.text import format_bytes
from ..host.folders import output_folder

LIMIT_GB = 8.0  # all folders together; the oldest go first; A124_SNAPSHOTS_GB says otherwise
RESULT = "field.safetensors"
SLOTS = ("a.safetensors", "b.safetensors")
IN_USE = "the same run is in progress in {}: wait until it ends and run this again, or choose another seed.".format
log = logging.getLogger(__name__)


def open_store(
    key: str, slots: tuple[str, ...] = SLOTS, format: FileFormat = FIELD_FORMAT, former: str | None = None
) -> RunStore:
    """Return the store of one run, by its cache key or the former one; using it makes it the youngest."""
    folder = output_folder() / "snapshots" / key
    if former is not None and not folder.exists():
        with suppress(OSError):  # as a rule there is none
            os.replace(folder.with_name(former), folder)
    with suppress(OSError):  # not there yet, or read-only
        os.utime(folder)
    return RunStore(folder, slots, format)


@contextmanager
def exclusive(store: RunStore) -> Iterator[None]:
    """Hold the run against other processes that share the output folder; ValueError where one of them is at it."""
    with ExitStack() as held:
        try:
            store.folder.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(_lock(store.folder), IN_USE, log.info))
            sweep(store.folder, only_ours=True)
        except OSError as error:  # a full or read-only disk ends no run
            log.warning("Animate124: the run is not locked: %s", error)
        yield


def usage(store: RunStore) -> str:
    """Say how much all runs together take."""
    total = sum(_size(f) for f in _folders(store))
    parent = "/".join(store.folder.parent.parts[-3:])  # output/animate124/snapshots
    return f"{format_bytes(total)} of {limit_gb():g} GB kept in {parent}."


def trim(store: RunStore) -> None:
    """Over the limit, delete whole runs, the one not used for longest first; never this one."""
    others = sorted((f for f in _folders(store) if f != store.folder), key=modified)
    total = _size(store.folder) + sum(_size(f) for f in others)
    for folder in others:
        if total <= limit_gb() * 2**30:
            return
        with suppress(InUseError, OSError), locked(_lock(folder), IN_USE, log.info):  # nobody begins it meanwhile
            total -= _size(folder)
            shutil.rmtree(folder, ignore_errors=True)


def limit_gb() -> float:
    """Return what all runs together may take; a value that is no number counts as not given."""
    try:
        return float(os.environ.get("A124_SNAPSHOTS_GB", LIMIT_GB))
    except ValueError:
        return LIMIT_GB


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _folders(store: RunStore) -> list[Path]:
    try:
        return [f for f in store.folder.parent.iterdir() if f.is_dir() and not f.name.startswith(".")]
    except OSError:  # not there
        return []


def _size(folder: Path) -> int:
    """Return the bytes of its files; those that another process deletes meanwhile count for nothing."""
    total = 0
    for path in folder.glob("*"):
        with suppress(OSError):
            total += path.stat().st_size
    return total
