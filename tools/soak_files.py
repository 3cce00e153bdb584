"""What a killed run left on disk: whether it can be read, and how much work is not in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from a124core.export.checkpoint import load_field
from a124core.stages.loop import STAGES
from a124core.stages.snapshot import load_snapshot
from a124core.utils.saved_tensors import read_kind
from a124core.utils.temporary import NEW

READERS = {"field": load_field, "snapshot": load_snapshot}


@dataclass(frozen=True)
class Steps:
    """What a killed run had done: (stage, step, time.monotonic()) of each step."""

    code: int | None  # exit code; None: killed
    rows: list[tuple[str, int, float]]
    ended: float


def damaged_files(folder: Path) -> list[str]:
    """Read all files of runs; return why some cannot be read."""
    damaged = []
    for path in (*folder.rglob("*.safetensors"), *folder.rglob("*.json")):
        if any(part.startswith(NEW) for part in path.parts):
            continue
        try:
            json.loads(path.read_bytes()) if path.suffix == ".json" else READERS[read_kind(path)](path)
        except (ValueError, KeyError) as error:
            damaged.append(f"{path}: {error}")
    return damaged


def list_files(folder: Path, pattern: str) -> list[Path]:
    """List what matches while a run works in the folder; nothing if a part of it vanishes in between."""
    try:
        return list(folder.glob(pattern))
    except FileNotFoundError:
        return []


def leftover_bytes(folder: Path) -> int:
    """Return the size of all temporary files, those of libraries among them."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    hidden = [path for path in files if any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return sum(path.stat().st_size for path in hidden)


def lost_seconds(steps: Steps, saved: tuple[int, int]) -> float:
    """Return the time from the last saved step, (stage's number, step), to the kill; 0 where no step was lost."""
    undone = [at for stage, step, at in steps.rows if (STAGES.index(stage), step) > saved]
    before = [at for stage, step, at in steps.rows if (STAGES.index(stage), step) <= saved]
    return steps.ended - (before[-1] if before else undone[0]) if undone else 0.0
