"""What the nodes that learn from a picture have in common: their run, and where its result goes."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...a124core.inversion.steps import LearnRun
from ...a124core.runs.advice import out_of_memory_advice
from ...a124core.runs.monitor import Intervals, RunMonitor
from ...a124core.runs.store import RunStore, save_elsewhere
from ...a124core.utils.device import is_out_of_memory
from ..optimize.progress import NodeProgress
from ..optimize.store import exclusive
from .learned_files import LearnedKind, run_store, save_learned

log = logging.getLogger(__name__)
INTERVALS = Intervals(preview=5.0)  # seconds
Learn = Callable[[Any, LearnRun], Any]  # a model, how it is run -> the result


def learned(
    kind: LearnedKind,
    key: str,  # of the run
    restart: bool,
    build: Callable[[], Any],  # makes the model
    learn: Learn,
    path: Path,  # where the host looks for the result
    notes: dict[str, str],
    progress: Callable[[int], NodeProgress],  # of the steps done before
    seed: int,
    advice: str,  # when memory ran out
) -> tuple[Any, str | None]:
    """Take a finished result of the same run, or learn; write it where the host looks for it. Return it, and why it
    could not be kept in the store, which ends no run."""
    store = run_store(kind, key)
    with exclusive(store):
        if restart:
            shutil.rmtree(store.folder, ignore_errors=True)
        result = store.usable_result(kind.result)
        if result is None:
            result = _learn(build, learn, store, progress, seed, advice)
        problem = _keep(store, kind, result)  # first: the next run finds it there if the other file is not written
        _save(kind, path, result, {**notes, "run": key}, problem is None)
    return result, problem


def _learn(
    build: Callable[[], Any], learn: Learn, store: RunStore, begin: Callable[[int], NodeProgress], seed: int,
    advice: str,
) -> Any:
    snapshot = store.newest()
    progress = begin(0 if snapshot is None else snapshot.step)
    progress.begin("")
    monitor = RunMonitor(progress, lambda step: store.save(step.snapshot()), INTERVALS)
    model = build()
    try:
        model.load()
        with progress.showing_stop(), monitor.saving_on_error():
            return learn(model, LearnRun(seed, monitor.on_step, snapshot))
    except BaseException as error:
        if is_out_of_memory(error):
            error.args = (f"{advice}\n{error}",)  # still of its kind, so that the host frees its models
        raise
    finally:
        model.offload()


def _save(kind: LearnedKind, path: Path, result: Any, notes: dict[str, str], in_store: bool) -> None:
    """Write the result for the host; where it would be lost otherwise, elsewhere, and OSError names the place."""
    try:
        save_learned(kind, path, result, notes)
    except OSError as error:
        if in_store:
            raise
        place = save_elsewhere(kind.format, path.name, result, notes)
        raise OSError(f"{str(error).rstrip('.')}; the {kind.name} is learned and was saved in {place}.") from error


def _keep(store: RunStore, kind: LearnedKind, result: Any) -> str | None:
    """Keep the result in the store; return the reason if it cannot be kept, which ends no run."""
    try:
        store.finish(kind.result, result)
    except Exception as error:  # whatever it is, hours of work go on
        log.warning("Animate124: %s not kept: %s", kind.name, error)
        return f"result not kept on disk: {error}"
    return None


def memory_advice(name: str, chunk: int) -> str:
    """Say what to lower when memory ran out."""
    if chunk > 1:
        return out_of_memory_advice(name, resuming=["set 'chunk' to 1"])
    return out_of_memory_advice(name, restarting=["'chunk' is 1 already: choose a smaller 'size'"])
