"""A benchmark on Ray: two workers make what one process makes, and a worker that dies costs a run at most."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
import torch

from a124core.cli.benchmark import benchmark as verb
from a124core.cli.benchmark.on_ray import RETRIES, Workers, run_on_ray
from a124core.cli.benchmark.plan import Task
from a124core.cli.benchmark.work import Done, run_task
from tests.core.cli.small_benchmark import RUNS, benchmark, make_data, rough, tables, undisturbed_results

pytest.importorskip("ray", reason="ray is not installed: it is an extra, for a benchmark with several workers")
pytestmark = pytest.mark.slow


def stamped_task(task: Task, stages: Path, threads: int, quiet: bool, say: object) -> Done:
    """A run on stamps in a worker. The first one that comes to it dies in the middle of bob's run with seed 1."""
    from a124core.cli import progress
    from tests.core.cli.stamps import apply_stamps

    apply_stamps(patches := pytest.MonkeyPatch())
    rough(patches)
    follow = progress.TerminalProgress.on_step

    def die_once(self: progress.TerminalProgress, step: object) -> None:
        if (task.scene, task.seed, step.stage, step.step) == ("bob", 1, "coarse", 2):
            try:
                os.close(os.open(stages.parent / "died", os.O_CREAT | os.O_EXCL))
                os.kill(os.getpid(), signal.SIGKILL)
            except FileExistsError:
                pass
        follow(self, step)

    patches.setattr(progress.TerminalProgress, "on_step", die_once)
    try:
        return run_task(task, stages, threads, quiet, say)
    finally:
        patches.undo()


def test_two_workers_of_which_one_dies_make_the_same_tables(
    picture: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    rough(monkeypatch)
    data, out = make_data(picture, tmp_path / "data"), tmp_path / "out"
    alone = undisturbed_results(data, tmp_path_factory)
    monkeypatch.setattr(verb, "run_task", stamped_task)
    assert benchmark(data, out, "--workers", 2) == 0
    assert (out / "died").exists() and len(tables(out)[2]) == RUNS
    assert tables(out) == tables(alone)


def dying(task: Task) -> Done:
    if task.variant == "dies":
        with (task.folder / "tries").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
    return Done(float(os.environ["OMP_NUM_THREADS"]))


def test_a_run_whose_worker_always_dies_is_reported_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    tasks = [Task("scene", name, k, (), tmp_path / "a" / "b" / "c") for k, name in enumerate(("fine", "dies", "well"))]
    ended = {task.variant: done for task, done in run_on_ray(tasks, dying, Workers(count=1, threads=1))}
    assert ended["fine"].problem == ended["well"].problem == "" and ended["fine"].seconds == 1.0, "one thread each"
    assert f"its worker process died {RETRIES + 1} times" in ended["dies"].problem
    assert (tmp_path / "a" / "b" / "c" / "tries").read_text() == "x" * (RETRIES + 1)


def test_what_no_machine_has_is_refused(tmp_path: Path) -> None:
    """Ray itself would wait for it without an end."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    task = Task("scene", "full", 0, (), tmp_path / "a" / "b" / "c")
    with pytest.raises(ValueError, match="each run needs 1 GPU, and no machine .* more than 0"):
        list(run_on_ray([task], dying, Workers(1, 1, device="xpu")))


def test_a_cluster_that_does_not_answer_is_refused(tmp_path: Path) -> None:
    began = time.monotonic()
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1", "[::1]:1"):
        with pytest.raises(RuntimeError, match=f"the Ray cluster at {re.escape(address)} cannot be joined"):
            list(run_on_ray([], dying, Workers(1, 1, address=address)))
    assert time.monotonic() - began < 60.0, "at once: Ray alone tries for minutes"
