"""Rows that a worker of `make gpu` meets: one that answers, one that hangs, one that crashes, one that raises."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.gpu.worker import Job, OutOfTime


def answers(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    yield "process", os.getpid()


def hangs(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    yield "begun", True
    time.sleep(1000.0)


def crashes(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    yield "begun", True
    os._exit(7)


def raises(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    yield "begun", True
    raise RuntimeError("an illegal memory access was encountered")


def imports(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    import a_package_that_nobody_has

    yield "package", a_package_that_nobody_has.__name__


def runs_out(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    yield "begun", True
    raise OutOfTime("stopped after step 3 of 8")
