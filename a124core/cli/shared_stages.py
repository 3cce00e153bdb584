"""Stages that several runs have in common, as the static one of two refinements: computed once, kept on disk."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..export.checkpoint import read_field, save_field
from ..field.field4d import Field4D
from .prepare import PreparedRun, stage_identity

LAST = "fine"  # no other stage comes after it, so two runs that agreed in it would be one


@dataclass(frozen=True)
class SharedStages:
    """Finished stages in one folder, by all that decides them. What cannot be read or written is computed again."""

    folder: Path

    def _path(self, prepared: PreparedRun, stage: str) -> Path:
        return self.folder / f"{stage_identity(prepared, stage)}.safetensors"

    def read(self, prepared: PreparedRun, stage: str) -> tuple[Field4D, float] | None:
        """Return the stage's field and the seconds that it took; None if no run has finished it."""
        with suppress(OSError, ValueError, KeyError):
            field, notes = read_field(self._path(prepared, stage))
            return field, float(notes["seconds"])
        return None

    def keep(self, prepared: PreparedRun, stage: str, field: Field4D, seconds: float) -> None:
        """Write a finished stage for the runs that come after."""
        if stage == LAST:
            return
        with suppress(OSError, ValueError):
            self.folder.mkdir(parents=True, exist_ok=True)
            save_field(self._path(prepared, stage), field, {"seconds": str(seconds)})
