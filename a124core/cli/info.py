"""What is in a file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from ..export.checkpoint import read_field
from ..stages.snapshot import load_snapshot
from ..utils.saved_tensors import read_kind


def describe(path: Path) -> str:
    """A few lines about a field or a snapshot."""
    if read_kind(path) == "snapshot":
        return _snapshot(path)
    field, extra = read_field(path)
    numbers = field.table.numel() + sum(v.numel() for v in field.mlp.values())
    lines = [
        f"{path}: a field, {path.stat().st_size / 2**20:.1f} MB, {numbers:,} parameters",
        f"  time grids {field.config.time_grids} ({'moves' if field.config.time_grids > 1 else 'stands still'})",
        *(f"  {name} {value}" for name, value in asdict(field.config).items() if name != "time_grids"),
    ]
    if field.occupancy is not None:
        share = float(field.occupancy.mask().binary.float().mean())
        slices, side = field.occupancy.grid.shape[0], field.occupancy.grid.shape[-1]
        lines.append(f"  occupancy {slices} x {side}^3 cells, {100 * share:.1f} % worth sampling")
    lines += [f"  {name}: {value}" for name, value in extra.items()]
    return "\n".join(lines)


def _snapshot(path: Path) -> str:
    snapshot = load_snapshot(path)
    numbers = sum(t.numel() for t in snapshot.tensors.values())
    return (
        f"{path}: a snapshot of the {snapshot.stage} stage after {snapshot.step} steps, seed {snapshot.seed}, "
        f"{path.stat().st_size / 2**20:.1f} MB, {numbers:,} numbers; --resume continues from it"
    )
