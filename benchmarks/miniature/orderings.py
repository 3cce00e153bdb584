"""Which row of the paper's tables is above which, and whether ours are in that order: decided by intervals alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from a124core.cli.table import Interval, RunFigures, summary

REPRODUCES, REVERSED, UNDECIDED = "reproduces", "reversed", "undecided"
FIGURES = {  # of the paper -> what stands for it without a CLIP: evaluation/bank_scores.py
    "CLIP-R": "bank_r", "CLIP-T": "bank_t", "CLIP-I": "bank_i", "CLIP-F": "bank_f"
}
CEILING = 0.99  # from which a figure of at most 1 tells no rows apart
Rows = dict[str, dict[str, float]]  # variant -> figure of the paper -> its value


def _row(*values: float) -> dict[str, float]:
    return dict(zip(FIGURES, values, strict=True))


TABLE_1: Rows = {  # Animate124 (arXiv 2311.14603), table 1
    "zero123-v": _row(0.8746, 0.3004, 0.7925, 0.9663),
    "realfusion-v": _row(0.8939, 0.3075, 0.8026, 0.9691),
    "full": _row(0.9311, 0.3170, 0.8544, 0.9781),
}
TABLE_2: Rows = {  # table 2
    "no-view-prior": _row(0.9042, 0.3020, 0.8141, 0.9704),
    "random-sampling": _row(0.9377, 0.3205, 0.8083, 0.9728),
    "no-refinement": _row(0.9221, 0.3129, 0.8331, 0.9715),
    "full": _row(0.9311, 0.3170, 0.8544, 0.9781),
}
TABLES = {"1": TABLE_1, "2": TABLE_2}
VARIANTS = tuple(dict.fromkeys(("full", *TABLE_1, *TABLE_2)))  # the first one is compared with all others


@dataclass(frozen=True)
class Ordering:
    """Two rows of a table in the paper's order of one figure, and our difference between them."""

    table: str
    figure: str  # of the paper
    higher: str  # variant
    lower: str
    paper: float  # difference, above 0
    ours: Interval | None  # of the same difference; its repetitions are subjects. None: no subject has both
    agreeing: int = 0  # subjects whose own difference is above 0
    least: float = 0.0  # the lesser of our two rows' means

    @property
    def verdict(self) -> str:
        return verdict(self.ours)

    @property
    def reason(self) -> str:
        """Return why nothing is decided, as far as the figures say it; empty where something is."""
        if self.verdict != UNDECIDED:
            return ""
        if self.ours is None:
            return "runs are missing"
        if self.ours.half is None:
            return "one subject has no interval"
        if self.least > CEILING:
            return "both rows are at the figure's upper end"
        if self.ours.half == 0:
            return "no difference"
        agree = self.agreeing in (0, self.ours.scenes)
        return "subjects agree, by amounts too different" if agree else "subjects disagree"


def verdict(ours: Interval | None) -> str:
    """Return whether a difference that is above 0 in the paper is so here; an interval that holds 0 decides nothing."""
    if ours is None or ours.half is None:
        return UNDECIDED
    if ours.mean - ours.half > 0:
        return REPRODUCES
    return REVERSED if ours.mean + ours.half < 0 else UNDECIDED


def orderings(runs: Sequence[RunFigures]) -> list[Ordering]:
    """Return every pair of rows of both tables in every figure."""
    return [one for table, rows in TABLES.items() for one in _of_table(table, rows, runs)]


def _of_table(table: str, rows: Rows, runs: Sequence[RunFigures]) -> Iterator[Ordering]:
    for first, second in combinations(rows, 2):
        for figure, name in FIGURES.items():
            lower, higher = sorted((first, second), key=lambda row: rows[row][figure])
            paper = rows[higher][figure] - rows[lower][figure]
            ours = _means(runs, higher, lower, name)
            scenes = {run.scene for run in runs}
            each = [_means([run for run in runs if run.scene == scene], higher, lower, name) for scene in scenes]
            agreeing = sum(one is not None and one[0].mean > 0 for one in each)
            difference, least = ours or (None, 0.0)
            yield Ordering(table, figure, higher, lower, paper, difference, agreeing, least)


def _means(runs: Sequence[RunFigures], higher: str, lower: str, name: str) -> tuple[Interval, float] | None:
    """Return the mean of higher minus lower, paired by subject and seed, its interval over subjects, and the lesser of
    both rows' means; None where no subject has both."""
    means = summary(runs, (lower, higher), name, over_scenes=True)
    if not {lower, higher} <= set(means):
        return None
    return means[higher][1], min(own.mean for own, _ in means.values())
