"""Figures of many runs as a table: means over scenes and seeds, and how sure they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from .report import COLUMNS

CONFIDENCE = 0.95  # of the intervals
LARGE = 5.0  # numbers above it have one digit behind the point, others three
HEADINGS = {key: heading for key, heading, _ in COLUMNS}
Cells = dict[tuple[str, int], float]  # (scene, seed) -> a figure of one run


@dataclass(frozen=True)
class RunFigures:
    """The figures of one finished run; None where one means nothing."""

    variant: str
    scene: str
    seed: int
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Interval:
    """A mean over scenes and seeds, and the half width of its confidence interval; None: there is one repetition."""

    mean: float
    half: float | None
    scenes: int
    seeds: int

    def values(self) -> dict[str, Any]:
        """Return what a JSON file holds of it."""
        low, high = (None, None) if self.half is None else (self.mean - self.half, self.mean + self.half)
        return {"mean": self.mean, "low": low, "high": high, "scenes": self.scenes, "seeds": self.seeds}


def figure_names(runs: Sequence[RunFigures]) -> list[str]:
    """Return every figure that any run has, those with a heading of their own first."""
    names = dict.fromkeys(name for run in runs for name in run.figures)
    return sorted(names, key=lambda name: list(HEADINGS).index(name) if name in HEADINGS else len(HEADINGS))


def summary(
    runs: Sequence[RunFigures], variants: Sequence[str], name: str, over_scenes: bool = False
) -> dict[str, tuple[Interval, Interval]]:
    """Return for each variant that has the figure its mean, and the mean of its difference to the first variant.

    All means are over the same scenes and seeds: those where no variant that has the figure at all lacks it. The
    repetitions of an interval are the seeds, or the scenes: what it says of other seeds, or of other subjects."""
    cells = _cells_by_variant(runs, variants, name)
    if not cells:
        return {}
    common = _common(cells)
    common = common if over_scenes else _complete(common)
    first = next(iter(cells.values()))
    return {
        variant: (
            _interval({cell: values[cell] for cell in common}, over_scenes),
            _interval({cell: values[cell] - first[cell] for cell in common}, over_scenes),
        )
        for variant, values in cells.items()
        if common
    }


def compared_scenes(runs: Sequence[RunFigures], variants: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the scenes over which any figure's means are, and those with a finished run that are in none."""
    compared = {
        scene
        for name in figure_names(runs)
        if (cells := _cells_by_variant(runs, variants, name))
        for scene, _ in _complete(_common(cells))
    }
    finished = list(dict.fromkeys(run.scene for run in runs))
    return [s for s in finished if s in compared], [s for s in finished if s not in compared]


def _cells_by_variant(runs: Sequence[RunFigures], variants: Sequence[str], name: str) -> dict[str, Cells]:
    """Return the cells of each variant that has any."""
    cells = {variant: _cells(runs, variant, name) for variant in variants}
    return {variant: values for variant, values in cells.items() if values}


def _common(cells: dict[str, Cells]) -> set[tuple[str, int]]:
    """Return the scenes and seeds that no variant lacks."""
    return set.intersection(*(set(values) for values in cells.values()))


def _cells(runs: Sequence[RunFigures], variant: str, name: str) -> Cells:
    values = {(run.scene, run.seed): run.figures.get(name) for run in runs if run.variant == variant}
    return {cell: value for cell, value in values.items() if value is not None and math.isfinite(value)}


def _complete(cells: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Return those of scenes that have every seed: else seeds would differ by their scenes. All, where none has."""
    seeds = {seed for _, seed in cells}
    complete = {(scene, seed) for scene, seed in cells if all((scene, other) in cells for other in seeds)}
    return complete or cells


def _interval(cells: Cells, over_scenes: bool) -> Interval:
    """Return the mean of the repetitions' means; its interval is Student's."""
    kind = 0 if over_scenes else 1
    repetitions = sorted({cell[kind] for cell in cells})
    means = [fmean(value for cell, value in sorted(cells.items()) if cell[kind] == one) for one in repetitions]
    half = None
    if len(means) > 1:
        from scipy.stats import t  # a second to import

        half = float(t.ppf((1.0 + CONFIDENCE) / 2.0, len(means) - 1)) * stdev(means) / math.sqrt(len(means))
    return Interval(fmean(means), half, len({scene for scene, _ in cells}), len({seed for _, seed in cells}))


def markdown_table(
    runs: Sequence[RunFigures],
    variants: Sequence[str],  # the rows; differences are to the first
    columns: Sequence[tuple[str, str]],  # figure, heading
    corner: str = "variant",
) -> list[str]:
    """Return the lines of a table: mean ± half its interval, and the difference to the first row in brackets."""
    summaries = [summary(runs, variants, name) for name, _ in columns]
    lines = [f"| {corner} | " + " | ".join(heading for _, heading in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for k, variant in enumerate(variants):
        cells = [_cell(values.get(variant), compare=k > 0 and variants[0] in values) for values in summaries]
        lines.append(f"| {variant.replace('-', ' ')} | " + " | ".join(cells) + " |")
    return lines


def _cell(value: tuple[Interval, Interval] | None, compare: bool) -> str:
    if value is None:
        return "-"
    interval, difference = value
    digits = 1 if abs(interval.mean) > LARGE else 3
    half = "" if interval.half is None else f" ± {interval.half:.{digits}f}"
    change = f" ({difference.mean:+.{digits}f})" if compare else ""
    return f"{interval.mean:.{digits}f}{half}{change}"
