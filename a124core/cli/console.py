"""The terminal and what comes from it: no name of a folder and nothing that a person types ends in a traceback."""

from __future__ import annotations

import errno
import io
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TextIO

from ..utils.validate import check_text

MAX_SEED = 2**62  # either sign: a run draws from a few seeds beside its own, and generators take 64 bits
MAX_NUMBER = 10**9  # of anything else that is counted


def print_anything() -> None:
    """Let the terminal show with a backslash what its encoding lacks, where printing it would raise an error. A stream
    that is closed becomes the null device: else the next file that is opened would have its number.
    One that breaks costs no work: see LastingStream."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
            setattr(sys, name, LastingStream(stream))


class LastingStream:
    """A text stream that becomes the null device when it cannot be written: after `| head -1`, or on a full disk."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write as far as it goes."""
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as it goes."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[..., Any], *arguments: str) -> None:
        try:
            action(*arguments)
        except OSError as error:
            self.failure = error
            with suppress(OSError, ValueError):  # without a descriptor there is nothing to redirect
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, self._stream.fileno())
                os.close(null)
            if error.errno != errno.EPIPE and self is not sys.stderr:
                print(f"What is printed cannot be written any more ({error.strerror or error}).", file=sys.stderr)


def was_printed() -> bool:
    """Return whether all that was printed so far arrived, or was not wanted any more."""
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    return failure is None or failure.errno == errno.EPIPE


def check_options(options: Any) -> None:
    """Refuse numbers that nothing can be counted or computed with, and prompts that are no text; the bounds of each lie
    where it is used."""
    for name, value in vars(options).items():
        if isinstance(value, str) and (name.endswith("prompt") or name == "word"):
            check_text(value, f"--{name.replace('_', '-')}")
    for name, value in _numbers(options):
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{option} is {value}: write a number.")
        limit = MAX_SEED if name.startswith("seed") else MAX_NUMBER
        if abs(value) > limit:
            digits = len(f"{abs(value):.0f}" if isinstance(value, float) else str(abs(value)))
            raise ValueError(f"{option} has {digits} digits: choose a number of at most {limit}.")
    if getattr(options, "jobs", 0) < 0:
        raise ValueError(f"--jobs is {options.jobs}: choose 0, for one a core, or more.")


def _numbers(options: Any) -> Iterator[tuple[str, int | float]]:
    """Yield every number of the options by name, those of lists one by one."""
    for name, value in vars(options).items():
        for item in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(item, (int, float)) and not isinstance(item, bool):
                yield name, item
