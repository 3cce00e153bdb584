"""The one place that asks which accelerators exist."""

from __future__ import annotations

import ctypes
import sys

import torch


def best_device() -> torch.device:
    """CUDA or ROCm, then XPU, then MPS, then the CPU."""
    for name in ("cuda", "xpu", "mps"):
        backend = getattr(torch, name, None) or getattr(torch.backends, name, None)
        if backend is not None and backend.is_available():
            return torch.device(name)
    return torch.device("cpu")


def is_current(device: torch.device) -> bool:
    """Is this the device that work goes to when none is named? Always so where there is only one of its kind."""
    return device.type == "cpu" or getattr(torch, device.type).current_device() == (device.index or 0)


def synchronize(device: torch.device | str) -> None:
    """Wait until the device has done what it was asked; nothing to wait for on a CPU."""
    name = torch.device(device).type
    if name != "cpu":
        getattr(torch, name).synchronize()


def peak_device_memory(device: torch.device | str) -> int:
    """Bytes that torch has reserved at most on a CUDA or XPU device; 0 elsewhere."""
    name = torch.device(device).type
    return getattr(torch, name).max_memory_reserved() if name in ("cuda", "xpu") else 0


def free_memory(device: torch.device | str) -> int | None:
    """Bytes that a run may take: free, or held by this process's own torch, which lets go of what nobody needs; on a
    CPU what the system has left. None where nobody says."""
    name = torch.device(device).type
    if name == "cpu":
        import psutil

        return psutil.virtual_memory().available
    backend = getattr(torch, name, None)
    if not hasattr(backend, "mem_get_info"):
        return None
    try:
        return backend.mem_get_info(device)[0] + backend.memory_reserved(device)
    except RuntimeError:  # some of Intel's cards do not tell
        return None


def keep_freed_pages() -> None:
    """On Linux, let the C library keep freed memory instead of returning it at every step: on a CPU, a third of a step
    went into fetching the same pages again. Nothing happens where there is no such setting."""
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
    """Did an allocation fail, on the accelerator or on the CPU?"""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(w in str(error) for w in words))
