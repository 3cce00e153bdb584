"""A lock file: one process at a time uses a folder, also on a network folder, and a killed one keeps nobody out."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .files import write_json
from .processes import ProcessIdentity, this_process

HEARTBEAT = 30.0  # seconds between two signs of life: the file's time
STALE = 300.0  # seconds without one after which a lock of another computer counts no more
UNREADABLE = 10.0  # the same of a file without an owner: somebody is writing it, or was killed then
TRIES = 5
RETRY = 0.1  # seconds between two tries to delete the file


class InUseError(ValueError):
    """Another process holds the lock."""


@dataclass(frozen=True)
class _Owner:
    """Content of a lock file."""

    host: str
    pid: int
    started: float
    token: str  # random: one process may hold a lock twice in turn

    @property
    def process(self) -> ProcessIdentity:
        return ProcessIdentity(self.host, self.pid, self.started)


@contextmanager
def locked(path: Path, refusal: Callable[[object], str], say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file; InUseError with refusal(owner) if another process holds it. Taking over the lock of one that
    was killed is said."""
    me = _Owner(**asdict(this_process()), token=secrets.token_hex(8))
    _acquire(path, me, refusal, say)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, me, ended), daemon=True)
    heart.start()
    try:
        yield
    finally:
        ended.set()
        heart.join()
        if _read(path) == me:
            _delete(path)


def _delete(path: Path) -> None:
    """Delete the file, in spite of a virus scanner or another process that has it open for a moment, on Windows."""
    for _ in range(TRIES):
        with suppress(OSError):
            return path.unlink(missing_ok=True)
        time.sleep(RETRY)


def _acquire(path: Path, me: _Owner, refusal: Callable[[object], str], say: Callable[[str], None]) -> None:
    for _ in range(TRIES):
        if _create(path, me):
            return
        owner = _read(path)
        if not path.exists():  # just released
            continue
        if _is_alive(path, owner):
            raise InUseError(refusal(owner.process if owner else "another process"))
        if _take_over(path, owner, me):
            process = owner.process if owner else "a process"
            say(f"{path.parent} was locked by {process}, which does not run any more: the lock was taken over.")
            return
    raise InUseError(refusal("another process"))


def _take_over(path: Path, stale: _Owner | None, me: _Owner) -> bool:
    """Replace a stale lock; a file named after it lets one process at a time do so, however slow the disk is."""
    marker = path.with_name(f"{path.name}.{hashlib.sha256(repr(stale).encode()).hexdigest()[:8]}")
    if not _create(marker, me):
        if _age(marker) > UNREADABLE:  # of one that was killed at it
            marker.unlink(missing_ok=True)
        return False
    try:
        if _read(path) != stale or _is_alive(path, stale):  # another one was quicker
            return False
        write_json(path, asdict(me))
        return _read(path) == me
    finally:
        marker.unlink(missing_ok=True)


def _create(path: Path, me: _Owner) -> bool:
    """Make the file where there is none."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
    except FileExistsError:
        return False
    except OSError as error:
        raise OSError(f"{path} could not be written ({error.strerror or error}): check the disk and retry.") from error
    try:
        with open(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(me), file)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return True


def _read(path: Path) -> _Owner | None:
    """Return the owner; None where there is no file or no owner in it."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return _Owner(str(values["host"]), int(values["pid"]), float(values["started"]), str(values["token"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _is_alive(path: Path, owner: _Owner | None) -> bool:
    if owner is not None and owner.process.is_local:
        if owner.process.is_running():
            return True
        if owner.process.is_gone():
            return False
    return _age(path) < (UNREADABLE if owner is None else STALE)


def _age(path: Path) -> float:
    """Return the seconds since the file's time, by the clock of the computer that the folder lies on."""
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            return os.fstat(file.fileno()).st_mtime - path.stat().st_mtime
    except OSError:
        return 0.0


def _beat(path: Path, me: _Owner, ended: threading.Event) -> None:
    """Touch the file; make it again where the folder was removed and is there again."""
    while not ended.wait(HEARTBEAT):
        with suppress(OSError):
            if _read(path) == me:
                os.utime(path)
            elif not path.exists():
                _create(path, me)
