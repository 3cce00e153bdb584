"""The verb: run what is not finished, one after another or on Ray, then write what all finished runs say."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch

from ...utils.text import count_noun, first_line, format_duration, printable
from ..folder import used_folder
from ..machine import available_device
from ..progress import Interrupted
from .on_ray import AUTO, Workers, head, run_on_ray
from .plan import Plan, Task, make_plan
from .results import compared_runs, read_finished, write_tables
from .views import write_sheet
from .vote_page import write_vote_page
from .work import Done, run_task

VOTES = "votes.html"


def benchmark(options: argparse.Namespace) -> None:
    """Every scene, variant and seed. What fails is reported, what was finished stays: RuntimeError at the end."""
    workers = _workers(options)
    plan = make_plan(options)
    for line in _notes(plan, options.priors):
        _say(line)
    out = Path(options.out)
    with used_folder(out, _say):
        failures = {f"{name} (all its runs)": problem for name, problem in plan.problems.items()}
        failures |= _run(plan, workers, out, options.quiet)
        written = _write(plan, out, failures)
    _say(f"Written: {', '.join(str(path) for path in written)}")
    if failures:
        first = next(iter(failures.items()))
        raise RuntimeError(
            f"{count_noun(len(failures), 'failure')}, among them {first[0]}: {first[1]}. All are listed in "
            f"{out / 'benchmark.md'}; run the same command again for what is missing."
        )


def _workers(options: argparse.Namespace) -> Workers:
    for name, least in (("workers", 1), ("threads", 0)):
        if getattr(options, name) < least:
            raise ValueError(f"--{name} is {getattr(options, name)}: choose {least} or more.")
    if options.address not in (None, AUTO):
        head(options.address)  # refuses what is none
    kind, _, number = options.device.partition(":")
    if number and (options.workers > 1 or options.address):
        raise ValueError(
            f"--device is {options.device}, but with --workers or --address Ray gives each run a device of its own: "
            f"write --device {kind}."
        )
    if options.address is None:  # a cluster's machines have devices of their own
        available_device(options.device)
    threads = options.threads or max(1, torch.get_num_threads() // options.workers)
    return Workers(options.workers, threads, options.device, options.address)


def _notes(plan: Plan, priors: str) -> Iterator[str]:
    """Say what of the folders is not used, before hours are spent."""
    for name, problem in plan.problems.items():
        yield f"{printable(name)} is left out: {problem}."
    for scene in plan.scenes:
        if not scene.problem and (unused := scene.unused(priors)):
            yield f"{printable(scene.name)}: --priors {priors} has no use for {', '.join(unused)}."
        if "token" in scene.files and priors == "diffusers" and "<" not in scene.prompts.get("refine_prompt", ""):
            yield (f"{printable(scene.name)}: its learned word is not used, because no refine_prompt names it: give "
                   'its caption as {"caption": ..., "refine_prompt": "a <token> is dancing"}.')


def _run(plan: Plan, workers: Workers, out: Path, quiet: bool) -> dict[str, str]:  # title of a failed run -> why
    """Run what is not finished."""
    tasks = [task for task in plan.tasks if not task.is_finished]
    finished = len(plan.tasks) - len(tasks)
    if finished:
        _say(f"{finished} of {count_noun(len(plan.tasks), 'run')} were finished earlier.")
    failures = {}
    try:
        for k, (task, done) in enumerate(_execute(tasks, workers, out / "stages", quiet), start=finished + 1):
            end = f"failed: {done.problem}" if done.problem else format_duration(done.seconds)
            _say(f"{k}/{len(plan.tasks)}: {printable(task.title)}: {end}")
            if done.problem:
                failures[task.title] = done.problem
    except (Interrupted, KeyboardInterrupt):
        done = sum(task.is_finished for task in plan.tasks)
        raise Interrupted(f"after {done} of {count_noun(len(plan.tasks), 'run')}") from None
    return failures


def _execute(tasks: Sequence[Task], workers: Workers, stages: Path, quiet: bool) -> Iterator[tuple[Task, Done]]:
    """Yield the tasks with how they ended, as they end."""
    if tasks and (workers.count > 1 or workers.address):
        work: Callable[[Task], Done] = partial(
            run_task, stages=stages.resolve(), threads=workers.threads, quiet=True, say=_ignore
        )
        yield from run_on_ray(tasks, work, workers)
        return
    for task in tasks:
        yield task, run_task(task, stages, workers.threads, quiet, _ignore if quiet else _say)


def _write(plan: Plan, out: Path, failures: dict[str, str]) -> list[Path]:
    """Write everything of the runs that are finished; a damaged report is one more failure."""
    runs = []
    for task in plan.tasks:
        with _noted(failures, task.title):
            runs.append(read_finished(task))
    runs = [run for run in runs if run is not None]
    tasks = compared_runs(plan, runs)
    captions = {scene.name: scene.caption for scene in plan.scenes}
    written = []
    for scene, variants in tasks.items():
        folders, sheet = {name: task.folder for name, task in variants.items()}, out / "sheets" / f"{scene}.png"
        with _noted(failures, f"{scene} (contact sheet)"):
            write_sheet(sheet, f"{scene}: {captions[scene]}", folders)
            written.append(sheet)
    with _noted(failures, VOTES):
        if page := write_vote_page(out / VOTES, plan, tasks):
            written.append(page)
    return [*write_tables(out, plan, runs, failures), *written]


@contextmanager
def _noted(failures: dict[str, str], title: str) -> Iterator[None]:
    """Note what goes wrong as one more failure, as where a file of a finished run was changed or deleted."""
    try:
        yield
    except (OSError, ValueError) as error:
        failures[title] = first_line(error)


def _say(line: str) -> None:
    print(line, flush=True)


def _ignore(line: str) -> None:
    """Say nothing, in a worker whose terminal nobody sees."""
