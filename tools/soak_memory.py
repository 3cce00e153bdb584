"""Run the command line again and again in one process: its memory, threads and open files must level off.

`python -m tools.soak_memory --runs 20`; with `--small`, of scenes that take a second each.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import torch

from a124core.cli.main import main as command

RUN = ("demo", "--steps-scale", "0.01", "--quiet")
LAST = 10  # runs at the end over which the memory may hardly grow
PASSES = 3  # of the collector: what has a finaliser is freed by the next one
MAX_SLOPE = 2.0  # MB a run: what is left of 100 tensors of a small scene, or a figure that was not closed


@dataclass(frozen=True)
class Sample:
    """A process after a run."""

    megabytes: float  # resident
    threads: int
    files: int  # open file descriptors; on Windows, handles

    @classmethod
    def taken(cls, process: psutil.Process) -> Sample:
        files = process.num_handles() if sys.platform == "win32" else process.num_fds()
        return cls(process.memory_info().rss / 1e6, process.num_threads(), files)


@dataclass
class Growth:
    """A process after each of its runs."""

    samples: list[Sample] = field(default_factory=list)

    def slope(self) -> float:
        """Return the least-squares slope of the resident memory over the last runs, in MB a run."""
        values = [sample.megabytes for sample in self.samples[-LAST:]]
        middle, mean = (len(values) - 1) / 2.0, sum(values) / len(values)
        spread = sum((k - middle) ** 2 for k in range(len(values)))
        return sum((k - middle) * (value - mean) for k, value in enumerate(values)) / max(spread, 1.0)

    def faults(self) -> list[str]:
        """Say what still grows at the end."""
        early, last = self.samples[-LAST:][0], self.samples[-1]
        grown = [
            (f"resident memory by {self.slope():.2f} MB a run", self.slope() > MAX_SLOPE),
            (f"threads from {early.threads} to {last.threads}", last.threads > early.threads),
            (f"open files from {early.files} to {last.files}", last.files > early.files),
        ]
        return [f"{growth} over the last {len(self.samples[-LAST:])} runs" for growth, grows in grown if grows]

    def line(self, run: int) -> str:
        """Return one run as a row of the table."""
        sample = self.samples[run]
        return f"run {run + 1:3}: {sample.megabytes:7.1f} MB, {sample.threads} threads, {sample.files} open files"

    def table(self) -> str:
        """Return the first, the second, the tenth before the last and the last run, and the slope."""
        chosen = sorted({0, 1, len(self.samples) - LAST, len(self.samples) - 1} & set(range(len(self.samples))))
        slope = f"slope over the last {len(self.samples[-LAST:])} runs: {self.slope():+.2f} MB a run"
        return "\n".join([*map(self.line, chosen), slope])


def release() -> None:
    """Collect rings of objects, as figures leave them, and let glibc return what is free: neither is a leak."""
    for _ in range(PASSES):
        gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the growth of this process; 1 if it does not level off."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak_memory", description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="few pixels and frames, for a quick look")
    options = parser.parse_args(arguments)
    if options.small:
        from tools.soak import make_small  # it turns the compiled kernels off

        make_small()
    growth = Growth()
    for k in range(options.runs):
        began, out = time.monotonic(), Path(tempfile.mkdtemp())
        code = command([*RUN, "--out", str(out), "--seed", str(k)])
        shutil.rmtree(out)
        if code != 0:
            raise RuntimeError(f"run {k + 1} ended with {code}.")
        release()
        growth.samples.append(Sample.taken(psutil.Process()))
        live = sum(t.untyped_storage().nbytes() for t in gc.get_objects() if type(t) is torch.Tensor) / 1e6
        print(f"{growth.line(k)}, {live:.1f} MB in tensors, {time.monotonic() - began:.0f} s", flush=True)
    print(growth.table(), *growth.faults(), sep="\n")
    return 1 if growth.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
