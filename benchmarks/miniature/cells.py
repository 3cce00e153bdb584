"""One subject with one seed through every variant: shared stages are made once, every run is scored."""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

from a124core.cli.ablate import begin_worker
from a124core.cli.args import parser
from a124core.cli.benchmark.plan import Plan, Task, make_plan
from a124core.cli.benchmark.results import read_finished
from a124core.cli.benchmark.work import run_task
from a124core.cli.prepare import PreparedRun, prepare
from a124core.cli.run_options import animate_run
from a124core.cli.table import RunFigures
from a124core.evaluation import scores
from a124core.evaluation.bank_scores import bank_of
from a124core.evaluation.captions import paper_candidates
from a124core.evaluation.clip_encoder import ClipEncoder, load_clip
from a124core.evaluation.evaluate import field_renderer
from a124core.evaluation.film import FilmGrid
from a124core.export.checkpoint import load_field
from a124core.utils.files import write_json
from a124core.utils.json_files import read_json

from .orderings import VARIANTS
from .subjects import CAPTIONS

GRID = FilmGrid(views=10, times=8, size=48)  # the paper's views; an eighth of its times, the pixels of the priors
CLIP_GRID = FilmGrid()  # the paper's
SAMPLES = 64  # along a ray


@dataclass(frozen=True)
class Cell:
    """The runs of one subject and seed."""

    scene: str
    seed: int
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class CellRunner:
    """Runs a cell, or what of it is missing. It travels to worker processes."""

    out: Path
    clip: Path | None  # a CLIP's folder: its four scores are measured too

    def __call__(self, cell: Cell) -> tuple[list[str], float]:
        """Return why runs failed, and the CPU seconds."""
        began, problems = time.process_time(), []
        stages = self.out / "stages" / f"{cell.scene}-{cell.seed}"
        scorer = _Scorer(self.out, cell, self.clip)
        for task in cell.tasks:
            done = run_task(task, stages, 1, True, _ignore)
            if done.problem:
                problems.append(f"{task.title}: {done.problem}")
            elif task.variant in VARIANTS:
                scorer.score(task)
        if not problems:
            shutil.rmtree(stages, ignore_errors=True)  # no other cell shares them
        return problems, time.process_time() - began


@dataclass(frozen=True)
class _Scorer:
    out: Path
    cell: Cell
    clip: Path | None

    @cached_property
    def prepared(self) -> PreparedRun:
        """The priors of the cell, which are the same for all of its runs."""
        return prepare(animate_run(parser().parse_args(["animate", *self.cell.tasks[0].arguments])))

    @cached_property
    def encoder(self) -> ClipEncoder | None:
        return None if self.clip is None else load_clip(self.clip, "cpu")

    def score(self, task: Task) -> None:
        """Measure a finished run under the bank, and by a CLIP if there is one, unless that was done."""
        self._measure(task, False)
        if self.clip is not None:
            self._measure(task, True)

    def _measure(self, task: Task, by_clip: bool) -> None:
        path = score_file(self.out, task, by_clip)
        if path.is_file():
            return
        scene = scores.Task(task.scene, CAPTIONS[task.scene], self.prepared.options.reference, grid=GRID, truth=False)
        if by_clip:
            scene = replace(scene, clip=self.encoder, candidates=paper_candidates(), grid=CLIP_GRID)
        else:
            scene = replace(scene, bank=bank_of(self.prepared.guidances.video))
        field = load_field(task.folder / "field.safetensors")
        result = scores.score_scene(field_renderer(field, n_steps=SAMPLES), field, scene)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"figures": result.figures, "notes": result.notes})


def score_file(out: Path, task: Task, by_clip: bool) -> Path:
    return out / "scores" / task.scene / f"{task.folder.name}{'-clip' if by_clip else ''}.json"


def plan_of(pictures: Path, out: Path, options: argparse.Namespace, variants: Iterable[str], *more: str) -> Plan:
    """Return the plan of the verb `benchmark` with these variants; more: further options of it."""
    return make_plan(parser().parse_args(benchmark_arguments(pictures, out, options, variants, *more)))


def benchmark_arguments(
    pictures: Path, out: Path, options: argparse.Namespace, variants: Iterable[str], *more: str
) -> list[str]:
    """Return the command line of the verb. The picture counts only in clips that begin with it, as in the paper: else
    another sampling would take nothing away."""
    return [
        "benchmark", str(pictures), "--out", str(out), "--variants", *variants,
        "--seeds", *map(str, options.seeds), "--scenes", *options.subjects,
        f"--steps-scale={options.steps_scale}", "--preset=demo", "--reference-mode=paper", "--threads=1", "--quiet",
        *more,
    ]


def cells_of(tasks: Sequence[Task], seeds: Sequence[int], scenes: Sequence[str]) -> list[Cell]:
    """Return the cells seed by seed, so that every subject is there once before any is there twice."""
    keys = [(scene, seed) for seed in seeds for scene in scenes]
    cells = [Cell(*key, tuple(task for task in tasks if (task.scene, task.seed) == key)) for key in keys]
    return [cell for cell in cells if cell.tasks]


def run_cells(
    cells: Sequence[Cell], run: CellRunner, jobs: int
) -> Iterator[tuple[Cell, list[str], float]]:
    """Yield each cell with its problems and CPU seconds as it ends: one after another, or in processes."""
    if jobs == 1:
        begin_worker(1)
        for cell in cells:
            yield cell, *run(cell)
        return
    with ProcessPoolExecutor(jobs, get_context("spawn"), begin_worker, (1,)) as pool:
        futures = {pool.submit(run, cell): cell for cell in cells}
        for done in as_completed(futures):
            yield futures[done], *done.result()


def read_runs(tasks: Iterable[Task], out: Path) -> list[RunFigures]:
    """Return the figures of every run that is finished and scored: those of its report and its scores."""
    runs = []
    for task in tasks:
        report, figures = read_finished(task), {}
        for path in (score_file(out, task, True), score_file(out, task, False)):  # films: those of every run
            if path.is_file():
                figures |= read_json(path, f"delete {path} and run again")["figures"]
        if report is not None and figures:
            runs.append(RunFigures(task.variant, task.scene, task.seed, report.figures | figures))
    return runs


def _ignore(line: str) -> None:
    """Say nothing: the command has one line a cell."""
