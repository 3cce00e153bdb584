"""What an optimizer keeps on disk, one folder for each identity: two snapshots in turn, then the finished field."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ...a124core.export.checkpoint import load_field, save_field
from ...a124core.field.field4d import Field4D
from ...a124core.stages.snapshot import Snapshot, load_snapshot, save_snapshot

LIMIT_GB = 8.0  # all folders together; the oldest go first; A124_SNAPSHOTS_GB says otherwise
SLOTS = ("a.safetensors", "b.safetensors")
FINISHED = "field.safetensors"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Keep:
    """The folder of one optimizer's run."""

    folder: Path

    def finished(self) -> Field4D | None:
        """The result of an earlier run with the same inputs."""
        return _read(load_field, self.folder / FINISHED)

    def newest(self) -> Snapshot | None:
        """Where an interrupted run with the same inputs stopped; a damaged file counts as absent."""
        slots = [s for s in (self.folder / name for name in SLOTS) if s.is_file()]
        found = (_read(load_snapshot, slot) for slot in sorted(slots, key=_written, reverse=True))
        return next((s for s in found if s is not None), None)

    def save(self, snapshot: Snapshot) -> str | None:
        """Write into the older slot. A full disk must not end the run: the reason comes back as text."""
        if not all(t.isfinite().all() for t in snapshot.tensors.values() if t.is_floating_point()):
            return "not saved: the numbers are broken, the earlier snapshot stays"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_snapshot(min((self.folder / name for name in SLOTS), key=_written), snapshot)
        except (OSError, ValueError, RuntimeError) as error:
            log.warning("Animate124: snapshot not saved: %s", error)
            return f"snapshot not saved: {error}"
        self._trim()
        return None

    def finish(self, field: Field4D) -> str | None:
        """Keep the result, drop the snapshots with their optimiser state."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_field(self.folder / FINISHED, field, {})
        except (OSError, ValueError, RuntimeError) as error:
            log.warning("Animate124: finished field not kept: %s", error)
            return f"result not kept on disk: {error}"
        for name in SLOTS:
            (self.folder / name).unlink(missing_ok=True)
        self._trim()
        return None

    def clear(self) -> None:
        """Forget this run."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def used(self) -> str:
        """How much all runs together take, for the user."""
        total = sum(_size(f) for f in self._folders())
        where = "/".join(self.folder.parent.parts[-3:])  # output/animate124/snapshots
        return f"{total / 2**30:.2f} of {limit_gb():g} GB kept in {where}."

    def _folders(self) -> list[Path]:
        return [f for f in self.folder.parent.iterdir() if f.is_dir()] if self.folder.parent.is_dir() else []

    def _trim(self) -> None:
        """Over the limit, whole runs go, the one not used for longest first; never this one."""
        others = sorted((f for f in self._folders() if f != self.folder), key=_written)
        total = _size(self.folder) + sum(_size(f) for f in others)
        for folder in others:
            if total <= limit_gb() * 2**30:
                return
            total -= _size(folder)
            shutil.rmtree(folder, ignore_errors=True)


def limit_gb() -> float:
    """What all runs together may take; a value that is no number counts as not given."""
    try:
        return float(os.environ.get("A124_SNAPSHOTS_GB", LIMIT_GB))
    except ValueError:
        return LIMIT_GB


def _read(load: object, path: Path) -> object | None:
    if not path.is_file():
        return None
    try:
        found = load(path)
        os.utime(path.parent)
        return found
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        log.warning("Animate124: %s is not used: %s", path, error)
        return None


def _written(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _size(folder: Path) -> int:
    return sum(f.stat().st_size for f in folder.glob("*") if f.is_file())
