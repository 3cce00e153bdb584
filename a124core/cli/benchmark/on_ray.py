"""The runs of a benchmark side by side on Ray: in processes of this machine, or on the machines of a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection
from types import ModuleType
from typing import Any

from ...utils.optional import require
from ...utils.text import first_line
from ..ablate import begin_worker
from .plan import Task
from .work import Done

RETRIES = 2  # of a run whose worker died; each goes on from the last snapshot
CONNECT_SECONDS = 5.0  # an address that does not answer: Ray itself tries for minutes, and says so line by line
AUTO = "auto"  # the cluster that this machine belongs to
STOP_SECONDS = 120.0  # after Ctrl-C the workers may take so long to save a snapshot
PACKAGE = Path(__file__).resolve().parents[2]  # a124core, which machines of a cluster receive


@dataclass(frozen=True)
class Workers:
    """What each run gets, and where."""

    count: int  # side by side on this machine
    threads: int  # of each run
    device: str = "cpu"
    address: str | None = None  # of a cluster; None: a Ray of this machine alone, for as long as the benchmark runs

    @property
    def gpus(self) -> int:
        """GPUs of each run. Ray lets it see no others, so that the first one that it sees is its own."""
        return 1 if self.device.startswith(("cuda", "xpu")) else 0  # Ray counts no others


def run_on_ray(tasks: Sequence[Task], work: Callable[[Task], Done], workers: Workers) -> Iterator[tuple[Task, Done]]:
    """Yield the tasks as they end. After Ctrl-C the workers save snapshots and stop."""
    ray = require("ray", "ray", "for several runs at once (--workers, --address)")
    with _session(ray, workers):
        _check_resources(ray, workers)

        def one(task: Task) -> Done:
            return _work(task, work, workers.threads)

        remote = ray.remote(num_cpus=workers.threads, num_gpus=workers.gpus, max_retries=RETRIES)(one)
        waiting = {remote.remote(task): task for task in tasks}
        try:
            while waiting:
                (ended,), _ = ray.wait(list(waiting), num_returns=1)
                yield waiting.pop(ended), _result(ray, ended)
        except BaseException:
            _stop(ray, list(waiting))
            raise


def _work(task: Task, work: Callable[[Task], Done], threads: int) -> Done:
    """Do one task in a worker."""
    out = task.folder.parents[2]
    if not out.is_dir():
        return Done(0.0, f"a machine of the cluster has no folder {out}: put pictures and results where all have them")
    begin_worker(threads)
    return work(task)


def head(address: str) -> tuple[str, int]:
    """Return host and port of a cluster's address, HOST:PORT or ray://HOST:PORT; ValueError if it is neither."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise ValueError(f"--address is {address!r}: write HOST:PORT of the cluster's head, or {AUTO}.")
    return host.strip("[]"), int(port)


@contextmanager
def _session(ray: ModuleType, workers: Workers) -> Iterator[None]:
    """Start a Ray here, or join the cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else a Ray that starts here reports to its makers
    here = {"address": "local", "num_cpus": workers.count * workers.threads, "include_dashboard": False}
    place = {"address": workers.address} if workers.address else here
    code = {"py_modules": [str(PACKAGE)], "excludes": ["**/__pycache__"]}
    try:
        if workers.address and workers.address != AUTO:
            create_connection(head(workers.address), CONNECT_SECONDS).close()
        ray.init(**place, log_to_driver=False, logging_level="error", runtime_env=code)
    except (OSError, ValueError, RuntimeError) as error:
        fault = f"the Ray cluster at {workers.address} cannot be joined" if workers.address else "Ray does not start"
        raise RuntimeError(f"{fault} ({first_line(error)}): check it, or leave --address and --workers out.") from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_resources(ray: ModuleType, workers: Workers) -> None:
    """Refuse what no machine has: Ray would wait for it forever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for resource, needed, option in (("CPU", workers.threads, "--threads"), ("GPU", workers.gpus, "--device")):
        most = max((machine.get(resource, 0.0) for machine in machines), default=0.0)
        if most < needed:
            raise ValueError(
                f"each run needs {needed} {resource}, and no machine of the Ray cluster has more than {most:g}: change "
                f"{option}."
            )


def _result(ray: ModuleType, ended: Any) -> Done:
    """Return how a run ended, also where its worker did not live to say it."""
    try:
        return ray.get(ended)
    except ray.exceptions.WorkerCrashedError:
        return Done(0.0, f"its worker process died {RETRIES + 1} times: the memory may be full, try fewer --workers")
    except ray.exceptions.RayTaskError as error:
        return Done(0.0, first_line(error.cause if isinstance(error.cause, Exception) else error))
    except ray.exceptions.RayError as error:  # the machine was lost, or Ray ended it, as where memory is full
        return Done(0.0, f"its worker was lost ({first_line(error)})")


def _stop(ray: ModuleType, running: list[Any]) -> None:
    """Press Ctrl-C in every worker, and wait until each has saved what it had."""
    for task in running:
        ray.cancel(task, force=False)
    ray.wait(running, num_returns=len(running), timeout=STOP_SECONDS)
