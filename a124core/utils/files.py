"""Files that are either complete or not there: atomic writes, and tensors with a JSON header."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

FORMAT = "animate124"
VERSION = 1  # raise it when the layout of any kind of file changes
KINDS = ("field", "snapshot", "token")


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A new file in the same folder to write to; it takes path's place at the end. On any failure it is removed and
    what stood at path before is untouched."""
    path = Path(path)
    temporary = _temporary(path)
    try:
        yield temporary
        with open(temporary, "r+b") as written:
            os.fsync(written.fileno())
        _share(temporary)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise _plain(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(
    path: str | Path,
    ours: tuple[str, ...],  # names that may stand in it
    sure: Callable[[Path], None] = lambda path: None,  # raises ValueError if what is there is not ours all the same
) -> Iterator[Path]:
    """The same for a folder. What stood there before goes away at the end, and only if nothing but ours was in it,
    then and now."""
    path = Path(path)
    _check_ours(path, ours, sure)
    try:
        fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=".new-"))
    except OSError as error:
        raise _plain(error, path) from error
    try:
        yield fresh
        os.chmod(fresh, 0o777 & ~_umask())
        _check_ours(path, ours, sure)
        _swap(fresh, path)
    except OSError as error:
        raise _plain(error, path) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _check_ours(path: Path, ours: tuple[str, ...], sure: Callable[[Path], None]) -> None:
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file, but a folder is to be written: choose another name.")
    others = sorted({entry.name for entry in path.iterdir()} - set(ours)) if path.exists() else []
    if others:
        raise ValueError(f"{path} holds {others[0]!r}, which is no export of this kind: choose a new or empty folder.")
    if path.exists() and any(path.iterdir()):
        sure(path)


def _swap(fresh: Path, path: Path) -> None:
    """fresh takes path's place; if that fails, what was there is there again."""
    if not path.exists():
        os.replace(fresh, path)
        return
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=".old-"))
    os.replace(path, aside / "was")
    try:
        os.replace(fresh, path)
    except OSError:
        os.replace(aside / "was", path)
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _temporary(path: Path) -> Path:
    """An empty file beside path with the same suffix: writers choose their format by it."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-", suffix=path.suffix)
    except OSError as error:
        raise _plain(error, path) from error
    os.close(handle)
    return Path(name)


def _share(path: Path) -> None:
    """Temporary files are private; results get the permissions of any other file."""
    os.chmod(path, 0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _plain(error: Exception, path: Path) -> OSError:
    """One sentence for the user; an earlier file at path is still there."""
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)) or "os error 28" in str(error):
        return OSError(f"the disk is full: {path} was not written, an earlier file is kept: free space and retry.")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return OSError(f"{path} may not be written: choose a folder that you own.")
    if number == errno.ENOENT:
        return OSError(f"{path} could not be written, its folder does not exist: create it or choose another.")
    return OSError(f"{path} was not written ({error}): an earlier file is kept; check the disk and retry.")


def write_json(path: str | Path, values: dict[str, Any]) -> None:
    """Readable JSON; numbers that are not finite become null."""
    with replacing(path) as temporary:
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
    header: dict[str, Any],  # "kind" is one of KINDS; the rest must be JSON
) -> None:
    """safetensors with the header in its metadata."""
    if header.get("kind") not in KINDS:
        raise ValueError(f"the header's kind is {header.get('kind')!r}: use one of {', '.join(KINDS)}.")
    metadata = {"format": FORMAT, "kind": header["kind"], "version": str(VERSION), "header": json.dumps(header)}
    with replacing(path) as temporary:
        save_file(_separate(tensors), temporary, metadata)


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous, on the CPU, no two sharing memory."""
    seen: set[int] = set()
    plain = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return plain


def read_tensors(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and header of a file of that kind; anything else is refused in one sentence."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} was not found: give the path of a {kind} file (.safetensors) this program wrote.")
    try:
        with safe_open(path, framework="pt") as opened:
            header = _checked_header(opened.metadata() or {}, kind, path)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is incomplete or not a safetensors file ({error}): use another copy.") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(f"{path} holds NaN or infinite values in {name!r}: use an earlier file.")
    return tensors, header


def read_kind(path: str | Path) -> str | None:
    """The kind of one of our files; None for any other file."""
    try:
        with safe_open(Path(path), framework="pt") as opened:
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError):
        return None
    return metadata.get("kind") if metadata.get("format") == FORMAT else None


def _checked_header(metadata: dict[str, str], kind: str, path: Path) -> dict[str, Any]:
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path} was not written by this program: give a {kind} file that it saved.")
    if metadata.get("version") != str(VERSION):
        raise ValueError(
            f"{path} has file version {metadata.get('version')}, this program reads version {VERSION}: "
            "open it with the release that wrote it, or make it again."
        )
    if metadata.get("kind") != kind:
        raise ValueError(f"{path} holds a {metadata.get('kind')}, a {kind} is needed: give another file.")
    try:
        return json.loads(metadata["header"])
    except (KeyError, json.JSONDecodeError):
        raise ValueError(f"{path} has a damaged header: use another copy.") from None
