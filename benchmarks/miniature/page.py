"""The page: the paper's rows beside ours, a verdict on every ordering, and the compared images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from a124core.cli.table import CONFIDENCE, Interval, RunFigures, summary
from a124core.evaluation.evaluate import NOTE
from a124core.utils.files import atomic_write

from .figures import Sheet
from .orderings import FIGURES, REPRODUCES, REVERSED, TABLES, UNDECIDED, VARIANTS, Ordering, orderings

BEGIN, END = "<!-- miniature: begin -->", "<!-- miniature: end -->"  # what is between them in a page is regenerated
TITLES = {"1": "Table 1: the baselines", "2": "Table 2: what each part is good for"}
TRUTH = (  # figure, heading, format: what the paper cannot measure
    ("psnr_heldout", "PSNR", "{:.1f}"),
    ("psnr_first", "first frame", "{:.1f}"),
    ("psnr_object", "object", "{:.1f}"),
    ("psnr_reference", "front t=0", "{:.1f}"),
    ("colour_error", "colour error", "{:.3f}"),
    ("iou", "IoU", "{:.3f}"),
    ("motion_corr", "path corr.", "{:.3f}"),
    ("motion", "motion", "{:.4f}"),
    ("flicker", "flicker", "{:.4f}"),
    ("janus", "Janus", "{:.3f}"),
)


def page(runs: Sequence[RunFigures], expected: int, sheets: Iterable[Sheet], problems: Sequence[str]) -> str:
    """Return the regenerated part of the page."""
    found = orderings(runs)
    parts = [_about(runs, expected)]
    for table in TABLES:
        parts += [f"### {TITLES[table]}", _scores(table, runs), _verdicts([one for one in found if one.table == table])]
    parts += ["### Against the known truth", _truth(runs)]
    if images := [_image(sheet) for sheet in sheets]:
        parts += ["### The images", *images]
    if problems:
        parts += ["### Failed", "\n".join(f"- {problem}" for problem in problems)]
    return "\n\n".join([_count(found), *parts])


def _about(runs: Sequence[RunFigures], expected: int) -> str:
    scenes, seeds = (dict.fromkeys(getattr(run, name) for run in runs) for name in ("scene", "seed"))
    return (
        f"{len(runs)} of {expected} runs: {', '.join(scenes)}; seeds {', '.join(map(str, seeds))}. ± is half a "
        f"{CONFIDENCE:.0%} confidence interval over the subjects (Student's t of their means over seeds). {NOTE}"
    )


def _count(found: Sequence[Ordering]) -> str:
    """Return how many orderings are of each verdict, and name those that are not the paper's."""
    counts, few = Counter(one.verdict for one in found), sum(one.ours is None or one.ours.half is None for one in found)
    lines = [
        f"Of the paper's {len(found)} orderings of two rows in one figure **{counts[REPRODUCES]} reproduce**, "
        f"**{counts[REVERSED]} are reversed** and **{counts[UNDECIDED]} are undecided**: their interval holds 0"
        + (f", or, {few} times, there are not enough runs yet to have one." if few else ".")
    ]
    if reversed_ := [one for one in found if one.verdict == REVERSED]:
        lines += ["", "Reversed: " + "; ".join(f"{one.figure}, {_pair(one)}" for one in reversed_) + "."]
    return "\n".join(lines)


def _scores(table: str, runs: Sequence[RunFigures]) -> str:
    """Return the paper's rows and ours, and the row of a CLIP: empty where none measured."""
    lines = [_line(["row", *FIGURES, *(f"our {name[-1]}" for name in FIGURES)]), "|---" * 9 + "|"]
    ours, by_clip = (_means(runs, names) for names in (FIGURES.values(), map(_clip_name, FIGURES)))
    for variant, paper in TABLES[table].items():
        lines.append(_line([variant, *(f"{value:.4f}" for value in paper.values()), *ours[variant]]))
    if any(any(by_clip[variant]) for variant in TABLES[table]):
        lines += [_line([f"{variant}, ours by a CLIP", *by_clip[variant], *[""] * 4]) for variant in TABLES[table]]
    else:
        lines.append(_line(["ours by a CLIP", *[""] * 8]))
    return "\n".join(lines)


def _means(runs: Sequence[RunFigures], names: Iterable[str]) -> dict[str, list[str]]:  # variant -> cells
    means = [summary(runs, VARIANTS, name, over_scenes=True) for name in names]
    return {v: [_mean(each[v][0], "{:.3f}") if v in each else "" for each in means] for v in VARIANTS}


def _clip_name(figure: str) -> str:
    return figure.lower().replace("-", "_")


def _verdicts(found: Sequence[Ordering]) -> str:
    """Return for every pair of rows that was run, in every figure, the paper's difference, ours, and the verdict."""
    heads = ["the paper's order", "figure", "paper", "ours", "subjects in order", "verdict", "why nothing is decided"]
    lines = [_line(heads), "|---" * len(heads) + "|"]
    known = [one for one in found if one.ours is not None]
    for one in sorted(known, key=lambda one: list(FIGURES).index(one.figure)):
        ours, subjects = _mean(one.ours, "{:+.3f}"), f"{one.agreeing} of {one.ours.scenes}"
        mark = f"**{one.verdict}**" if one.verdict == REVERSED else one.verdict
        lines.append(_line([_pair(one), one.figure, f"{one.paper:+.4f}", ours, subjects, mark, one.reason]))
    return "\n".join(lines)


def _truth(runs: Sequence[RunFigures]) -> str:
    lines = [_line(["row", *(heading for _, heading, _ in TRUTH)]), "|---" * (len(TRUTH) + 1) + "|"]
    means = [(summary(runs, VARIANTS, name, over_scenes=True), form) for name, _, form in TRUTH]
    for variant in VARIANTS:
        cells = [_mean(each[variant][0], form) if variant in each else "-" for each, form in means]
        lines.append(_line([variant, *cells]))
    return "\n".join(lines)


def _image(sheet: Sheet) -> str:
    return f"**{sheet.title}** ({sheet.subject}):\n\n![{sheet.title}](images/{sheet.file})"


def _pair(one: Ordering) -> str:
    return f"{one.higher} > {one.lower}"


def _mean(interval: Interval, form: str) -> str:
    half = "" if interval.half is None else f" ± {form.replace('+', '').format(interval.half)}"
    return form.format(interval.mean) + half


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def fill(path: Path, text: str) -> None:
    """Put the regenerated part between the page's marks; ValueError where it has none."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {BEGIN} and {END}: add them where the tables belong.")
    write_text(path, f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
