"""What is saved of a run while it goes on, and where else if its folder cannot be written."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..export.checkpoint import read_field
from ..field.config import FieldConfig
from ..field.field4d import Field4D
from ..stages.snapshot import Snapshot
from ..utils.saved_tensors import NewerFileError
from .folder import RunFolder

RETRIES, RETRY_SECONDS = 3, 20.0  # where nobody can be asked to free some space
FAILURES = (OSError, ValueError, RuntimeError)  # of a write
REPAIR = "put the right file back, or delete it and the stage is made again"
ABSENT = (-1, -1)  # in the place of a file's stamp


@dataclass
class RunKeeper:
    """The files of an unfinished run. All of them are written again where the folder was removed."""

    folder: RunFolder
    identity: dict[str, str]
    finished: dict[str, Field4D] = field(default_factory=dict)  # by stage
    notes: dict[str, Any] = field(default_factory=dict)  # seconds and losses so far
    _stamps: dict[Path, tuple[int, int]] = field(default_factory=dict)  # of the stages' files, as written or read here

    def read_finished(self, stage: str, config: FieldConfig) -> Field4D | None:
        """Read a stage that an interrupted run finished; None if it did not. ValueError if that file is damaged, or of
        another stage or field than the config says."""
        path = self.folder.work / f"{stage}.safetensors"
        if not path.is_file():
            return None
        try:
            result, extra = read_field(path)
        except NewerFileError:
            raise
        except ValueError as error:
            raise ValueError(f"the {stage} stage cannot be read ({_reason(error)}): {REPAIR}.") from None
        if extra.get("stage", stage) != stage or result.config != config:
            raise ValueError(f"{path} is not the {stage} stage of this run: {REPAIR}.")
        self.finished[stage] = result
        self._stamps[path] = _stamp(path)
        return result

    def save(self, snapshot: Snapshot, notes: dict[str, Any]) -> int:
        """Write a snapshot and return its bytes. The notes come first: they may be ahead of it, but never behind."""
        self.notes = notes
        self._write(self.folder)
        return self.folder.store.save(snapshot)

    def finish(self, stage: str, result: Field4D, notes: dict[str, Any]) -> None:
        """Write a finished stage, then drop its snapshots."""
        self.finished[stage], self.notes = result, notes
        self.ensure()
        self.folder.store.drop_snapshots()

    def ensure(self) -> None:
        """Write what is finished and not there; where that fails, elsewhere, and OSError names the place."""
        try:
            return self._write(self.folder)
        except FAILURES as error:
            problem = _reason(error)
        done, place = ", ".join(self.finished), self._write_elsewhere()
        if place is not None:
            raise OSError(
                f"{self.folder.out} cannot be written ({problem}): what is finished ({done}) was saved in {place}; go "
                f"on from there with --out {place} --resume."
            )
        self._retry(done, problem)

    def _write(self, folder: RunFolder) -> None:
        folder.write_head(self.identity)
        folder.write_notes(self.notes)
        for stage, result in self.finished.items():
            path = folder.work / f"{stage}.safetensors"
            if self._stamps.get(path) != _stamp(path):  # removed, cut or replaced since, or not written yet
                folder.store.keep(path.name, result, {"stage": stage})
                self._stamps[path] = _stamp(path)

    def _write_elsewhere(self) -> Path | None:
        """Write all that is finished into a new folder for temporary files; None if that fails."""
        place = None
        try:
            place = Path(tempfile.mkdtemp(prefix="animate124-"))
            self._write(RunFolder(place))
            return place
        except FAILURES:
            if place is not None:
                shutil.rmtree(place, ignore_errors=True)
            return None

    def _retry(self, done: str, problem: str) -> None:
        """Hold the fields in memory until they can be written: at a terminal as long as somebody frees some space."""
        left = RETRIES
        while left:
            places = f"neither {self.folder.out} nor {tempfile.gettempdir()} can be written ({problem})"
            if sys.stdin.isatty() and sys.stderr.isatty():
                print(f"What is finished ({done}) is still in memory, but {places}.", file=sys.stderr)
                _await_enter()
            else:
                left -= 1
                print(f"What is finished ({done}) is tried again: {places}.", file=sys.stderr, flush=True)
                time.sleep(RETRY_SECONDS)
            try:
                return self._write(self.folder)
            except FAILURES as error:
                problem = _reason(error)
        again = "go on with --resume from what was saved before" if self.folder.resumable() else "start again"
        raise OSError(f"what is finished ({done}) was not saved ({problem}): free some space and {again}.")


def _stamp(path: Path) -> tuple[int, int]:
    """Return the bytes and the time of a file; ABSENT if it is not there."""
    try:
        state = path.stat()
    except OSError:
        return ABSENT
    return state.st_size, state.st_mtime_ns


def _reason(error: Exception) -> str:
    """Return the error as a part of a sentence."""
    return getattr(error, "strerror", None) or str(error).rstrip(".")


def _await_enter() -> None:
    try:
        input("Free some space and press Enter to try again (Ctrl-C twice gives it up): ")
    except EOFError:
        time.sleep(RETRY_SECONDS)
