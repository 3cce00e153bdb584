"""What a run was made on: names and numbers for the report."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata

import torch

from .. import __version__
from ..utils.device import peak_device_memory

PACKAGES = ("torch", "numba", "triton", "numpy", "safetensors", "pillow", "av")


def versions() -> dict[str, str]:
    """This program, Python and the packages that decide about results."""
    installed = {"animate124": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def machine() -> str:
    """CPU model, cores and what torch uses of them, operating system."""
    cores = os.cpu_count() or 1
    return f"{_cpu()}, {cores} cores ({torch.get_num_threads()} used), {platform.system()} {platform.machine()}"


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.lower().startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown CPU"


def available_device(name: str) -> str:
    """A device that torch has here."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError):
        raise ValueError(f"device {name!r} is not available on this machine: use --device cpu.") from None
    return name


def peak_memory_mb(device: str = "cpu") -> float | None:
    """Most memory ever held, by torch on an accelerator, else by this process; None where nobody says."""
    if held := peak_device_memory(device):
        return held / 2**20
    try:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB on Linux
    except ImportError:
        pass
    try:
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20  # Windows has no resource module
    except (ImportError, AttributeError):
        return None
