"""One run of a benchmark: a run of `animate` in a folder of its own, which may be repeated, interrupted and resumed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from ...utils.lock import STALE, InUseError
from ...utils.text import first_line
from ..args import parser
from ..console import check_options
from ..folder import RunFolder, used_folder
from ..progress import Interrupted
from ..run import Say, run_pipeline
from ..run_options import animate_run
from ..shared_stages import SharedStages
from .plan import Task
from .views import write_views

WAIT = 5.0  # seconds between two looks whether a lost worker's lock is free


@dataclass(frozen=True)
class Done:
    """How a run ended."""

    seconds: float
    problem: str = ""  # why it failed; empty: it did not


def run_task(task: Task, stages: Path, threads: int, quiet: bool, say: Say) -> Done:
    """Make one run, or go on with it. Whatever goes wrong in it ends this run alone; Ctrl-C ends all."""
    began = time.monotonic()
    torch.set_num_threads(threads)
    if task.is_finished:  # by a worker that was lost before it could say so
        return Done(0.0)
    problem = ""
    try:
        with _own_folder(task.folder, say):
            _animate(task, SharedStages(stages), quiet, say)
    except Interrupted:
        raise
    except Exception as error:  # whatever it is, other scenes may be fine
        if os.environ.get("A124_TRACEBACK"):
            raise
        plain = isinstance(error, (ValueError, OSError, RuntimeError, MemoryError))
        problem = first_line(error) if plain else f"{type(error).__name__}: {first_line(error)}"
    return Done(time.monotonic() - began, problem)


@contextmanager
def _own_folder(folder: Path, say: Say) -> Iterator[None]:
    """Lock the run's folder; a worker that was lost on another machine holds it until its sign of life is too old."""
    limit = time.monotonic() + 1.2 * STALE
    while True:
        try:
            with used_folder(folder, say):
                yield
            return
        except InUseError:
            if time.monotonic() > limit:
                raise
            time.sleep(WAIT)


def _animate(task: Task, shared: SharedStages, quiet: bool, say: Say) -> None:
    folder = RunFolder(task.folder)
    if folder.resumable():
        try:
            return _make(task, folder, True, shared, quiet, say)
        except ValueError as error:
            say(f"{task.title}: what was kept cannot be continued ({first_line(error)}): it begins anew.")
    _make(task, folder, False, shared, quiet, say)


def _make(task: Task, folder: RunFolder, resume: bool, shared: SharedStages, quiet: bool, say: Say) -> None:
    options = parser().parse_args(["animate", *task.arguments])
    check_options(options)
    outcome = run_pipeline(animate_run(options), folder, resume, quiet, say, shared)
    write_views(folder.results, outcome)
    folder.publish()
