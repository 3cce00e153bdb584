"""Files that are either complete or not there: atomic writes of folders, JSON, and tensors with a JSON header."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from .temporary import OLD, sweep, temporary_folder

FORMAT = "animate124"
# By kind: raise it when its layout changes; earlier ones are read
VERSIONS = {"field": 3, "snapshot": 3, "token": 1, "lora": 1}


def in_order(files: Iterable[Path]) -> list[Path]:
    """Return files by the numbers and letters of their names, so that frame_10 comes after frame_9."""
    return sorted(files, key=lambda file: [(not part.isdecimal(), int(part) if part.isdecimal() else part)
                                           for part in re.findall(r"[0-9]+|[^0-9]+", file.name.lower())])


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces path at the end, in a folder of its own: libraries put temporary files
    beside what they write. On any failure it is removed and an earlier file at path is untouched."""
    path = Path(path)
    _sweep_once(path.parent)
    try:
        folder = temporary_folder(path)
    except OSError as error:
        raise _explained(error, path) from error
    temporary = folder / f"new{path.suffix}"
    try:
        yield temporary
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())
        _set_permissions(temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise _explained(error, path) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def atomic_folder(
    path: str | Path,
    names: tuple[str, ...],  # of the entries that an earlier folder at path may hold
    check_owned: Callable[[Path], None] = lambda path: None,  # raises ValueError where the names deceive
) -> Iterator[Path]:
    """Yield a new folder to write to, which replaces path at the end. An earlier folder at path is removed, and only if
    nothing but these names was in it, before the work and after it."""
    path = Path(path)
    sweep(path.parent)
    check_folder(path, names, check_owned)
    try:
        fresh = temporary_folder(path)
    except OSError as error:
        raise _explained(error, path) from error
    try:
        yield fresh
        os.chmod(fresh, 0o777 & ~_umask())
        check_folder(path, names, check_owned)
        _swap(fresh, path)
    except OSError as error:
        raise _explained(error, path) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_folder(path: Path, names: tuple[str, ...], check_owned: Callable[[Path], None]) -> None:
    """Refuse a path that is a file, or a folder that holds anything else."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file, but a folder is to be written: choose another name.")
    others = sorted({entry.name for entry in path.iterdir()} - set(names)) if path.exists() else []
    if others:
        raise ValueError(f"{path} holds {others[0]!r}, which is no export of this kind: choose a new or empty folder.")
    if path.exists() and any(path.iterdir()):
        check_owned(path)


def _swap(fresh: Path, path: Path) -> None:
    """Replace path with fresh; if that fails, put the earlier folder back."""
    if not path.exists():
        os.replace(fresh, path)
        return
    backup = temporary_folder(path, OLD)
    os.replace(path, backup / path.name)
    try:
        os.replace(fresh, path)
    except OSError:
        os.replace(backup / path.name, path)  # where that fails too, `sweep` does it later
        backup.rmdir()
        raise
    shutil.rmtree(backup, ignore_errors=True)


@lru_cache(maxsize=1024)
def _sweep_once(folder: Path) -> None:
    """Sweep a folder at the first file that this process writes there."""
    sweep(folder)


def _set_permissions(path: Path) -> None:
    """Give a temporary file, which is private, the permissions of any other file."""
    os.chmod(path, 0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _explained(error: Exception, path: Path) -> OSError:
    """Turn an error of the system into one sentence for the user; an earlier file at path is still there."""
    number, reason = _error_number(error), getattr(error, "strerror", None) or error
    if number == errno.ENOSPC and _is_out_of_entries(path.parent):
        return OSError(f"the disk takes no more files: {path} was not written, an earlier file is kept: delete some.")
    if number in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)):
        return OSError(f"the disk is full: {path} was not written, an earlier file is kept: free space and retry.")
    if number == errno.EROFS:
        return OSError(f"the disk can only be read: {path} was not written: check the disk, or choose another folder.")
    if number == errno.EFBIG:
        return OSError(f"{path} was not written, no file may be that large there: choose a folder on another disk.")
    if number in (errno.EACCES, errno.EPERM):
        return OSError(f"{path} may not be written: choose a folder that you own.")
    if number == errno.ENOENT:
        return OSError(f"{path} could not be written, its folder does not exist: create it or choose another.")
    return OSError(f"{path} was not written ({reason}): an earlier file is kept; check the disk and retry.")


def _error_number(error: Exception) -> int | None:
    """Return the system's number of an error, which the safetensors library writes into its message."""
    number = getattr(error, "errno", None)
    written = re.search(r"os error (\d+)", str(error)) if number is None else None
    return int(written[1]) if written else number


def _is_out_of_entries(folder: Path) -> bool:
    """Return whether a file system that counts its files, by inodes, has none left, whatever space is free."""
    try:
        state = os.statvfs(folder)
    except (OSError, AttributeError):  # Windows has no such call
        return False
    return state.f_files > 0 and state.f_favail == 0


def write_json(path: str | Path, values: dict[str, Any]) -> None:
    """Write readable JSON; numbers that are not finite become null."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(_jsonable(values), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


def write_tensors(
    path: str | Path,
    tensors: dict[str, Tensor],
    header: dict[str, Any],  # "kind" is one of VERSIONS; the rest must be JSON
) -> None:
    """Write safetensors with the header in their metadata."""
    kind = header.get("kind")
    if kind not in VERSIONS:
        raise ValueError(f"the header's kind is {kind!r}: use one of {', '.join(VERSIONS)}.")
    metadata = {"format": FORMAT, "kind": kind, "version": str(VERSIONS[kind]), "header": json.dumps(header)}
    with atomic_write(path) as temporary:
        save_file(_unshared(tensors), temporary, metadata)


def _unshared(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return them contiguous and on the CPU, no two sharing memory."""
    storages: set[int] = set()
    unshared = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        unshared[name] = tensor.clone() if storage in storages else tensor
        storages.add(storage)
    return unshared
