"""How Numba compiles, and as many threads as torch uses, on which its kernels run without Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch
from numba import config, njit

# No fast mathematics: positions are rounded as torch rounds them, so both choose the same cells.
HOW = {"nogil": True, "error_model": "numpy"}
PART = 2**14  # samples of one piece: its features stay in a core's cache from level to level
WORTH = 2**16  # points or samples: with fewer, waking a thread takes longer than what it does

if config.DISABLE_JIT:
    raise RuntimeError("NUMBA_DISABLE_JIT is set, and a kernel in plain Python is far slower than torch")


def compiled(function: Callable) -> Any:
    """A kernel, compiled at its first call and kept on disk for the next start where anything can be written. Numba
    forgets it when its own file changes only: a kernel must not use numbers of another file."""
    try:
        return njit(cache=True, **HOW)(function)
    except RuntimeError:  # nowhere to write
        return njit(**HOW)(function)


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="animate124")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads


def in_turn(task: Callable[[int], None], count: int, work: int) -> None:
    """task(0) to task(count - 1); where there is enough work (points, samples), threads take every so manieth each."""
    threads = max(1, min(torch.get_num_threads(), count)) if work >= WORTH else 1

    def share(first: int) -> None:
        for k in range(first, count, threads):
            task(k)

    others = [_pool(torch.get_num_threads()).submit(share, first) for first in range(1, threads)]
    share(0)
    for other in others:
        other.result()


def in_parts(task: Callable[[int, int], None], count: int) -> None:
    """task(begin, end) for pieces of count samples."""
    pieces = -(-count // PART)
    in_turn(lambda k: task(k * PART, min((k + 1) * PART, count)), pieces, count)
