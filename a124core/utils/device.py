"""Accelerators and memory: the one place that queries which devices exist and what they have free."""

from __future__ import annotations

import ctypes
import sys

import torch

from .text import format_bytes

DeviceMemoryError = torch.cuda.OutOfMemoryError  # torch's own on every accelerator, after which hosts free their models


def best_device() -> torch.device:
    """Return CUDA or ROCm where there is one, then XPU, then MPS, then the CPU."""
    for name in ("cuda", "xpu", "mps"):
        backend = getattr(torch, name, None) or getattr(torch.backends, name, None)
        if backend is not None and backend.is_available():
            return torch.device(name)
    return torch.device("cpu")


def is_current(device: torch.device) -> bool:
    """Return whether work goes to this device when none is named: always where there is only one of its kind."""
    return device.type == "cpu" or getattr(torch, device.type).current_device() == (device.index or 0)


def synchronize(device: torch.device | str) -> None:
    """Wait until the device has finished its queue; a CPU has none."""
    name = torch.device(device).type
    if name != "cpu":
        getattr(torch, name).synchronize()


def peak_device_memory(device: torch.device | str) -> int:
    """Return the most bytes that torch has reserved on a CUDA or XPU device; 0 elsewhere."""
    name = torch.device(device).type
    return getattr(torch, name).max_memory_reserved() if name in ("cuda", "xpu") else 0


def free_memory(device: torch.device | str) -> int | None:
    """Return the bytes that a run may use: free, or cached by this process's own torch; on a CPU what the system has
    available. None where the device does not report it."""
    name = torch.device(device).type
    if name == "cpu":
        import psutil

        return psutil.virtual_memory().available
    backend = getattr(torch, name, None)
    if not hasattr(backend, "mem_get_info"):
        return None
    try:
        return backend.mem_get_info(device)[0] + backend.memory_reserved(device)
    except RuntimeError:  # some of Intel's cards do not report it
        return None


def check_memory(needed: int, task: str, advice: str) -> None:
    """Refuse a task that needs more bytes than this computer has free, before minutes of work instead of after."""
    free = free_memory("cpu")
    if needed > free:
        raise ValueError(f"{task} takes {format_bytes(needed)} of memory, {format_bytes(free)} are free: {advice}.")


def keep_freed_pages() -> None:
    """Let the C library of Linux keep freed memory instead of returning it at every step: on a CPU, a third of a step
    went into fetching the same pages again. Elsewhere there is no such setting."""
    if not sys.platform.startswith("linux"):
        return
    mmap_threshold, trim_threshold, never = -3, -1, 2**30
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, never)
        libc.mallopt(trim_threshold, never)
    except (OSError, AttributeError):
        return


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an allocation failed, on the accelerator or on the CPU."""
    messages = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(message in str(error) for message in messages)
    )
