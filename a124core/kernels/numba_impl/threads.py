"""How Numba compiles, and as many threads as torch uses, on which its kernels run without Python's lock."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch
from numba import config, njit

# No fast mathematics: positions are rounded as torch rounds them, so both choose the same cells.
OPTIONS = {"nogil": True, "error_model": "numpy"}
CHUNK = 2**14  # samples of one task: its features stay in a core's cache from level to level
MIN_WORK = 2**16  # points or samples: with fewer, waking a thread takes longer than what it does

if config.DISABLE_JIT:
    raise RuntimeError("NUMBA_DISABLE_JIT is set, and a kernel in plain Python is far slower than torch")


def compiled(function: Callable) -> Any:
    """Compile a kernel at its first call and keep it on disk for the next start where anything can be written. Numba
    forgets it when its own file changes only: a kernel must not use numbers of another file.

    What is kept holds the name under which the pack was imported, a path in the host and a124core on a command line,
    and cannot be read under another: each name has files of its own."""
    function.__qualname__ += f"_{zlib.crc32(function.__module__.encode()):08x}"
    try:
        return njit(cache=True, **OPTIONS)(function)
    except RuntimeError:  # nowhere to write
        return njit(**OPTIONS)(function)


@lru_cache(maxsize=4)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="animate124")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def run_tasks(task: Callable[[int], None], count: int, work: int) -> None:
    """Call task(0) to task(count - 1); with enough work (points, samples), n threads take every n-th each.

    A task calls no torch operation on an array: on another thread that starts OpenMP's threads a second time, more than
    there are cores, and OpenMP then lets all of them sleep at every wait: later steps took half as long again."""
    n_threads = max(1, min(torch.get_num_threads(), count)) if work >= MIN_WORK else 1

    def run(first: int) -> None:
        for k in range(first, count, n_threads):
            task(k)

    futures = [_pool(torch.get_num_threads()).submit(run, first) for first in range(1, n_threads)]
    run(0)
    for future in futures:
        future.result()


def run_chunks(task: Callable[[int, int], None], count: int) -> None:
    """Call task(begin, end) for chunks of count samples."""
    n_chunks = -(-count // CHUNK)
    run_tasks(lambda k: task(k * CHUNK, min((k + 1) * CHUNK, count)), n_chunks, count)
