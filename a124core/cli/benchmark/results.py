"""The tables of a benchmark, made of the reports of its finished runs."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluation.evaluate import NOTE, OBJECT_BY_TIME
from ...utils.files import atomic_write, write_json
from ...utils.json_files import read_json
from ...utils.text import count_noun
from ..machine import machine, versions
from ..report import UNKNOWN
from ..table import CONFIDENCE, HEADINGS, RunFigures, compared_scenes, figure_names, markdown_table, summary
from .plan import Plan, Task

COSTS = ("steps", "seconds", "peak_memory_mb")  # numbers of a report that say nothing of the result


@dataclass(frozen=True)
class FinishedRun:
    """A task with its report."""

    task: Task
    figures: dict[str, float | None]  # of the last stage: whatever numbers the evaluation returns
    seconds: float  # of all stages
    peak_memory_mb: float | None


def read_finished(task: Task) -> FinishedRun | None:
    """Read the report of a task; None if it is not finished. ValueError if its report is damaged."""
    if not task.is_finished:
        return None
    advice = f"delete {task.folder} and run the benchmark again"
    report = read_json(task.folder / "report.json", advice)
    try:
        last, seconds = report["stages"][-1], float(report["seconds"])
        figures = {k: v for k, v in last.items() if k not in COSTS and (v is None or isinstance(v, (int, float)))}
        return FinishedRun(task, figures, seconds, last["peak_memory_mb"])
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError(f"{task.folder / 'report.json'} is no report of a run: {advice}.") from None


def write_tables(out: Path, plan: Plan, runs: Sequence[FinishedRun], failures: dict[str, str]) -> list[Path]:
    """Write the table of means for people, for spreadsheets and for programs, and one of all runs."""
    paths = [out / f"benchmark{suffix}" for suffix in (".md", ".csv", ".json")] + [out / "runs.csv"]
    values = _summary(plan, runs)
    _write_text(paths[0], "\n".join(_markdown(plan, runs, failures)))
    _write_csv(paths[1], _summary_rows(values))
    machines = {"machine": machine(), "versions": versions()}
    listed = [_run_values(run, out) for run in runs]
    write_json(paths[2], {"variants": values, "confidence": CONFIDENCE, "note": _note(runs),
                          "scenes": {scene.name: scene.caption for scene in plan.scenes}, "seeds": list(plan.seeds),
                          "runs": listed, "failed": failures, **machines})
    _write_csv(paths[3], [{k: v for k, v in run.items() if k not in ("arguments", "figures")} | run["figures"]
                          for run in listed])
    return paths


def run_figures(runs: Sequence[FinishedRun]) -> list[RunFigures]:
    """Return the figures without what they cost."""
    return [RunFigures(run.task.variant, run.task.scene, run.task.seed, run.figures) for run in runs]


def _summary(plan: Plan, runs: Sequence[FinishedRun]) -> list[dict[str, Any]]:
    """Return for each variant its means, and the means of its differences to the first."""
    figures, names = run_figures(runs), [variant.name for variant in plan.variants]
    means = {name: summary(figures, names, name) for name in figure_names(figures)}
    return [
        {
            "name": variant.name,
            "meaning": variant.meaning,
            "arguments": list(variant.arguments),
            "figures": {
                name: {**values[variant.name][0].values(), "difference": values[variant.name][1].values()}
                for name, values in means.items()
                if variant.name in values
            },
        }
        for variant in plan.variants
    ]


def _summary_rows(values: list[dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for variant in values:
        for name, figure in variant["figures"].items():
            difference = {f"difference_{k}": figure["difference"][k] for k in ("mean", "low", "high")}
            own = {k: v for k, v in figure.items() if k != "difference"}
            rows.append({"variant": variant["name"], "figure": name, **own, **difference})
    return rows


def _run_values(run: FinishedRun, out: Path) -> dict[str, Any]:
    task = run.task
    return {"variant": task.variant, "scene": task.scene, "seed": task.seed, "seconds": run.seconds,
            "peak_memory_mb": run.peak_memory_mb, "folder": task.folder.relative_to(out.resolve()).as_posix(),
            "arguments": list(task.arguments), "figures": run.figures}


def _markdown(plan: Plan, runs: Sequence[FinishedRun], failures: dict[str, str]) -> list[str]:
    figures = run_figures(runs)
    names = [name for name in figure_names(figures) if not name.startswith(OBJECT_BY_TIME)]
    columns = [(name, HEADINGS.get(name, name.replace("_", " "))) for name in names]
    lines = [
        *(_means(plan, figures, columns) if columns else ()),
        _note(runs),
        "",
        *(f"- {variant.title}: {variant.meaning}" for variant in plan.variants),
    ]
    if failures:
        lines += ["", "Failed:", "", *(f"- {name}: {reason}" for name, reason in failures.items())]
    return [*lines, ""]


def _means(plan: Plan, figures: Sequence[RunFigures], columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return the table of means, what it is over, and which finished scenes are not in it."""
    variants = [variant.name for variant in plan.variants]
    scenes, missing = compared_scenes(figures, variants)
    listed = f"{count_noun(len(scenes), 'scene')} ({', '.join(scenes)})" if scenes else "no scene"
    left_out = [f"In no mean, because a variant or seed has no figures of them: {', '.join(missing)}.", ""]
    return [
        f"Means over {listed} and seeds {', '.join(map(str, plan.seeds))}, ± half a {CONFIDENCE:.0%} confidence "
        f"interval over seeds; difference to {plan.variants[0].title} in brackets.",
        "",
        *markdown_table(figures, variants, columns),
        "",
        *(left_out if missing else ()),
    ]


def _note(runs: Sequence[FinishedRun]) -> str:
    if not runs:
        return "No run has finished."
    return NOTE if any(run.figures for run in runs) else UNKNOWN


def _write_text(path: Path, text: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write a table whose columns are those of any row."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def compared_runs(plan: Plan, runs: Sequence[FinishedRun]) -> dict[str, dict[str, Task]]:
    """Return of each scene the run of each variant that people look at: the first seed's that is finished."""
    chosen: dict[str, dict[str, Task]] = {}
    for seed in reversed(plan.seeds):
        for run in runs:
            if run.task.seed == seed:
                chosen.setdefault(run.task.scene, {})[run.task.variant] = run.task
    names = [variant.name for variant in plan.variants]
    return {scene.name: {name: chosen[scene.name][name] for name in names if name in chosen[scene.name]}
            for scene in plan.scenes if scene.name in chosen}
