"""A process that measures rows, one after another: when it crashes or hangs, only the row at work is lost."""

from __future__ import annotations

import faulthandler
import multiprocessing
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from .plan import Row

GRACE = 8.0  # seconds that a row may take longer than it was given before its process is killed
DONE, SKIPPED, STOPPED, FAILED = "done", "skipped", "stopped", "failed"
END = 1500  # characters of a traceback that are kept

OnResult = Callable[[str, Any], None]  # a key within the row, and what was measured


@dataclass(frozen=True)
class Job:
    """A row, and where and for how long it is measured."""

    row: Row
    device: str
    out: Path
    seconds: float


class OutOfTime(Exception):
    """The seconds of a row are over; what it measured before counts."""


class Worker:
    """The process, begun when a row needs it and begun again after one that failed."""

    def __init__(self) -> None:
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None

    def run(self, job: Job, on_result: OnResult) -> tuple[str, str]:
        """Measure a row -> how it ended, and why; results arrive one by one."""
        if self._process is None:
            self._begin()
        end = time.monotonic() + job.seconds + GRACE
        try:
            self._connection.send(job)
            while self._connection.poll(max(0.0, end - time.monotonic())):
                kind, *values = self._connection.recv()
                if kind == "result":
                    on_result(*values)
                    continue
                if kind == FAILED:  # after some errors of a GPU nothing in its process works any more
                    self.close()
                return kind, values[0]
        except (EOFError, OSError):
            self._process.join(GRACE)
            code = self._process.exitcode
            self.close()
            return FAILED, f"its process ended with code {code}"
        self.close()
        return STOPPED, f"it did not end {GRACE:.0f} s after its {job.seconds:.0f} s were over"

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join(GRACE)
            self._connection.close()
            self._process = self._connection = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()


def serve(connection: Connection) -> None:
    """Measure what arrives until a row fails or nothing arrives any more."""
    faulthandler.enable()
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        ended = _measure(job, connection)
        connection.send(ended)
        if ended[0] == FAILED:
            return


def _measure(job: Job, connection: Connection) -> tuple[str, str]:
    missing = [name for name in job.row.packages if find_spec(name) is None]
    if missing:
        return SKIPPED, f"the Python package {missing[0]} is not installed"
    try:
        until = time.monotonic() + job.seconds
        task = getattr(import_module(job.row.module), job.row.task)
        for key, value in task(job, until):
            connection.send(("result", key, value))
    except ImportError as error:
        return SKIPPED, f"{error}"
    except OutOfTime as error:
        return STOPPED, str(error) or f"its {job.seconds:.0f} s were over"
    except Exception as error:  # whatever a driver, a compiler or a card does
        return FAILED, f"{type(error).__name__}: {error}\n{traceback.format_exc()[-END:]}"
    return DONE, ""
