"""How Numba compiles, and as many threads as torch uses, on which its kernels run without Python's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch

# No fast mathematics: positions are rounded as torch rounds them, so both choose the same cells.
FAST = {"nogil": True, "cache": True, "error_model": "numpy"}
PART = 2**14  # samples of one piece: its features stay in a core's cache from level to level


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="animate124")


def in_turn(task: Callable[[int], None], count: int) -> None:
    """task(0) to task(count - 1), on all threads at once."""
    threads = min(torch.get_num_threads(), count)
    if threads <= 1:
        for k in range(count):
            task(k)
    else:
        list(_pool(torch.get_num_threads()).map(task, range(count)))


def in_parts(task: Callable[[int, int], None], count: int) -> None:
    """task(begin, end) for pieces of count samples."""
    pieces = -(-count // PART)
    in_turn(lambda k: task(k * PART, min((k + 1) * PART, count)), pieces)
