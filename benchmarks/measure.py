"""Medians on fresh inputs, and a record of where they were taken."""

from __future__ import annotations

import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from a124core.cli.machine import machine, versions
from a124core.kernels.dispatch import backend_name
from a124core.utils.device import synchronize
from a124core.utils.files import atomic_write


def median_seconds(make: Callable[[], tuple], run: Callable[..., Any], device: str, repeats: int) -> float:
    """Median of `repeats` runs after one that warms up; inputs are made anew before each, outside the clock."""
    spent, clock = [], clock_for(device)
    for _ in range(repeats + 1):
        given = make()
        synchronize(device)
        began = clock()
        run(*given)
        synchronize(device)
        spent.append(clock() - began)
    return statistics.median(spent[1:])


def clock_for(device: str) -> Callable[[], float]:
    """On one CPU thread the process's own time: what else a busy machine does is left out. Else the time of day."""
    alone = torch.device(device).type == "cpu" and torch.get_num_threads() == 1
    return time.process_time if alone else time.perf_counter


def fresh_peak(device: str) -> None:
    """Free what torch keeps on an accelerator without using it, and count the peak of its memory from here on."""
    gc.collect()
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def all_kernels(device: str) -> list[str]:
    """The specification, and what is faster there if anything is: "torch", then "triton" or "numba"."""
    fastest = backend_name(torch.device(device))
    return list(dict.fromkeys(("torch", fastest)))


@contextmanager
def kernels_from(backend: str) -> Iterator[None]:
    """A backend by its name, for a while."""
    before = os.environ.get("A124_KERNELS")
    os.environ["A124_KERNELS"] = backend
    try:
        yield
    finally:
        if before is None:
            del os.environ["A124_KERNELS"]
        else:
            os.environ["A124_KERNELS"] = before


def where(device: str) -> dict[str, Any]:
    """Machine and versions."""
    chip = torch.cuda.get_device_name(device) if torch.device(device).type == "cuda" else "CPU"
    return {"device": device, "chip": chip, "machine": machine(), "versions": versions()}


def save(path: str, title: str, device: str, numbers: dict[str, Any]) -> None:
    """Everything as JSON, in one piece or not at all."""
    record = {"benchmark": title, **where(device), **numbers}
    with atomic_write(Path(path)) as file:
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}")
