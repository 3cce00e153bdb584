"""What is in a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ..export.checkpoint import read_field
from ..stages.snapshot import load_snapshot
from ..utils.saved_tensors import read_kind
from ..utils.text import printable

FIELD = "field.safetensors"  # in the folder of a finished run
FIRST = ("prompt", "motion", "subject")  # of the entries saved with a field


def describe(path: Path) -> str:
    """A few lines about a field, also by the folder it lies in, or a snapshot."""
    if path.is_dir():
        if not (path / FIELD).is_file():
            raise ValueError(f"{path} holds no {FIELD}: give the folder of a finished run, or a file.")
        path /= FIELD
    if read_kind(path) == "snapshot":
        return _snapshot(path)
    field, extra = read_field(path)
    first = [f"  {name}: {extra.pop(name)}" for name in FIRST if name in extra]
    numbers = sum(v.numel() for v in field.parameters.values())
    moves = "moves" if field.config.time_grids > 1 else "stands still"
    lines = [
        f"{path}: a field that {moves}, {path.stat().st_size / 2**20:.1f} MB",
        *first,
        *(f"  {name}: {value}" for name, value in extra.items()),
        "details:",
        f"  {numbers:,} parameters",
        *(f"  {name} {value}" for name, value in asdict(field.config).items()),
    ]
    if field.occupancy is not None:
        share = float(field.occupancy.mask().binary.float().mean())
        slices, side = field.occupancy.grid.shape[0], field.occupancy.grid.shape[-1]
        lines.append(f"  occupancy {slices} x {side}^3 cells, {100 * share:.1f} % worth sampling")
    return "\n".join(map(printable, lines))


def _snapshot(path: Path) -> str:
    snapshot = load_snapshot(path)
    numbers = sum(t.numel() for t in snapshot.tensors.values())
    return printable(
        f"{path}: a snapshot of the {snapshot.stage} stage after {snapshot.step} steps, seed {snapshot.seed}, "
        f"{path.stat().st_size / 2**20:.1f} MB, {numbers:,} numbers; --resume continues from it"
    )
