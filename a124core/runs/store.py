"""Where a run is kept on disk: snapshots in turn, so that a crash while saving loses nothing, and finished results."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..dreambooth.snapshot import LoraSnapshot
from ..export.checkpoint import load_field, save_field
from ..export.embedding import load_progress, read_learned, save_progress, write_embedding
from ..export.lora import load_lora_progress, read_lora, save_lora_progress, write_lora
from ..inversion.learn import TokenSnapshot
from ..stages.snapshot import load_snapshot, save_snapshot
from ..utils.saved_tensors import NewerFileError
from ..utils.temporary import sweep

TICK = 2 * 10**9  # nanoseconds; no file system has coarser times
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileFormat:
    """How the snapshots and results of one kind of run are read and written. Readers raise ValueError."""

    read_snapshot: Callable[[Path], Any]
    write_snapshot: Callable[[Path, Any], None]
    read_result: Callable[[Path], Any]
    write_result: Callable[[Path, Any, dict[str, str]], None]  # path, result, notes for the file


FIELD_FORMAT = FileFormat(load_snapshot, save_snapshot, load_field, save_field)
TOKEN_FORMAT = FileFormat(
    lambda path: TokenSnapshot(*load_progress(path)),
    lambda path, snapshot: save_progress(path, snapshot.tensors, snapshot.meta),
    read_learned,
    lambda path, embedding, notes: write_embedding(path, embedding, notes),
)
LORA_FORMAT = FileFormat(
    lambda path: LoraSnapshot(*load_lora_progress(path)),
    lambda path, snapshot: save_lora_progress(path, snapshot.tensors, snapshot.meta),
    read_lora,
    lambda path, lora, notes: write_lora(path, lora, notes),
)


@dataclass(frozen=True)
class RunStore:
    """The snapshots and results of one run, in one folder."""

    folder: Path
    slots: tuple[str, ...] = ("snapshot-a.safetensors", "snapshot-b.safetensors")  # written in turn
    format: FileFormat = FIELD_FORMAT

    def newest(self, accept: Callable[[Any], bool] = lambda snapshot: True) -> Any | None:
        """Read the newest acceptable snapshot; a damaged file counts as absent, one of a later release is refused."""
        for slot in sorted(self._existing(), key=modified, reverse=True):
            snapshot = _read(self.format.read_snapshot, slot)
            if snapshot is not None and accept(snapshot):
                return snapshot
        return None

    def save(self, snapshot: Any) -> int:
        """Write into the older slot and return its bytes. OSError or ValueError if it cannot be written."""
        if not all(t.isfinite().all() for t in snapshot.tensors.values() if t.is_floating_point()):
            raise ValueError("its numbers are broken, so the earlier snapshot stays")
        self.folder.mkdir(parents=True, exist_ok=True)
        slots = [self.folder / name for name in self.slots]
        slot, latest = min(slots, key=modified), max(map(modified, slots))
        self.format.write_snapshot(slot, snapshot)
        if modified(slot) <= latest:  # the clock was set back, or is coarse: the newest is known by its time
            os.utime(slot, ns=(latest + TICK, latest + TICK))
        return slot.stat().st_size

    def usable_result(self, name: str) -> Any | None:
        """Read a finished result; None if there is none that can be read, NewerFileError if a later release can."""
        path = self.folder / name
        return _read(self.format.read_result, path) if path.is_file() else None

    def finish(self, name: str, result: Any, notes: dict[str, str] | None = None) -> None:
        """Write a finished result, then drop the snapshots."""
        self.keep(name, result, notes)
        self.drop_snapshots()

    def keep(self, name: str, result: Any, notes: dict[str, str] | None = None) -> None:
        """Write a finished result."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.format.write_result(self.folder / name, result, notes or {})

    def drop_snapshots(self) -> None:
        """Delete the snapshots with their optimiser state, and what killed runs left."""
        for slot in self._existing():
            slot.unlink(missing_ok=True)
        sweep(self.folder)

    def _existing(self) -> list[Path]:
        return [path for name in self.slots if (path := self.folder / name).is_file()]


def save_elsewhere(format: FileFormat, name: str, result: Any, notes: dict[str, str]) -> Path:
    """Write a result whose own folder cannot be written into a new one for temporary files; return its path."""
    path = Path(tempfile.mkdtemp(prefix="animate124-")) / name
    format.write_result(path, result, notes)
    return path


def modified(path: Path) -> int:
    """When the file or folder was last written, in nanoseconds; 0 if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else 0


def _read(read: Callable[[Path], Any], path: Path) -> Any | None:
    try:
        return read(path)
    except NewerFileError:  # whoever counts it as absent would replace it
        raise
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        log.warning("Animate124: %s is not used: %s", path, error)
        return None
