"""Temporary files and folders beside what they will become: their names say who writes them, so that those of killed
processes can be deleted."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from .processes import host_code, start_code

NEW, OLD = ".new-", ".old-"  # what is being written; an earlier folder while a new one takes its place
NAME = re.compile(r"\.(?:new|old)-([0-9a-f]{8})-(\d{1,10})-([0-9a-f]{1,16})-\w+")  # host, process, its start
FOREIGN_SECONDS = 24 * 3600.0  # age at which those of another computer are taken for abandoned


def new_prefix() -> str:
    """Return how the names of this process's temporary files begin."""
    return f"{NEW}{host_code()}-{os.getpid()}-{start_code(os.getpid())}-"


def temporary_folder(path: Path, kind: str = NEW) -> Path:
    """Create an empty folder beside path."""
    return Path(tempfile.mkdtemp(dir=path.parent, prefix=new_prefix().replace(NEW, kind)))


def delete_folder(path: Path) -> None:
    """Delete a folder so that it is gone or whole under its name, whenever the process is killed."""
    trash = path.with_name(f"{new_prefix()}trash")
    with suppress(OSError):  # a file in it is open, on Windows
        os.replace(path, trash)
    for folder in (trash, path):
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path, only_ours: bool = False) -> None:
    """Delete what killed processes left in a folder; only_ours: nobody else writes there, and no other process now."""
    for path in _leftovers(folder):
        if only_ours or _is_abandoned(path):
            _remove(path)


def _leftovers(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.name.startswith((NEW, OLD))]
    except OSError:  # not there, or not readable
        return []


def _is_abandoned(path: Path) -> bool:
    """Return whether the name is one of ours, of a process that does not run any more."""
    match = NAME.match(path.name)
    if match is None:
        return False
    if match[1] == host_code():
        return start_code(int(match[2])) != match[3]  # it is gone, or a later process has its number
    try:
        return time.time() - path.stat().st_mtime > FOREIGN_SECONDS
    except OSError:
        return False


def _remove(path: Path) -> None:
    """Delete a file or folder; an earlier folder that was moved away and not replaced goes back."""
    with suppress(OSError):
        if not path.is_dir():
            path.unlink(missing_ok=True)
            return
        if path.name.startswith(OLD):
            for earlier in path.iterdir():
                if not (path.parent / earlier.name).exists():
                    os.replace(earlier, path.parent / earlier.name)
    shutil.rmtree(path, ignore_errors=True)
