"""Which backend a device gets. Nothing is imported or compiled before the first call on a device."""

from __future__ import annotations

import logging
import os
import sys
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import torch

from ..utils.device import is_current
from .torch_impl import ops as torch_ops

CHOICES = ("auto", "torch", "triton", "numba")
log = logging.getLogger(__name__)


def ops_for(device: torch.device) -> ModuleType:
    """Return torch's operations, or a faster backend's that runs there, is requested and agrees with torch."""
    requested = os.environ.get("A124_KERNELS", "auto").strip().lower() or "auto"
    return _select(device, requested, _fastest(device))


def backend_name(device: torch.device) -> str:
    """Return what computes the operations there: "torch", "numba" or "triton"."""
    return ops_for(device).NAME


@lru_cache(maxsize=16)
def _select(device: torch.device, requested: str, fastest: str) -> ModuleType:
    if requested not in CHOICES:
        log.warning("A124_KERNELS is %r: use one of %s. Going on with auto.", requested, ", ".join(CHOICES))
        requested = "auto"
    if requested == "numba" and device.type == "cpu" and fastest == "torch":
        log.warning("A124_KERNELS is numba, and it is not installed: %s -m pip install numba", sys.executable)
    if fastest == "torch" or requested not in ("auto", fastest):
        return torch_ops
    try:
        from .selftest import mismatch

        backend = completed(import_module(f"{__package__}.{fastest}_impl.ops"))
        problem = mismatch(backend, torch_ops, device)
    except Exception as error:  # a compiler, a driver, a wheel of another platform: whatever it is, torch still works
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    if not problem:
        return backend
    log.warning("%s kernels are left out on %s, plain torch is used instead: %s", fastest.title(), device, problem)
    return torch_ops


def completed(backend: ModuleType) -> ModuleType:
    """Return a backend under its own name, with torch's operations where it has none of its own."""
    completed = ModuleType(backend.__name__)
    operations = {name: getattr(backend, name, getattr(torch_ops, name)) for name in torch_ops.__all__}
    vars(completed).update(operations, NAME=backend.NAME)
    return completed


def _fastest(device: torch.device) -> str:
    """Return triton on CUDA and ROCm, where it launches on the current device only; on a CPU numba where it is
    installed, or Triton's interpreter where a test asks for it."""
    if device.type == "cpu":
        if os.environ.get("TRITON_INTERPRET") == "1":
            return "triton"
        return "numba" if _has_numba() else "torch"
    return "triton" if device.type == "cuda" and is_current(device) else "torch"


@lru_cache(maxsize=1)
def _has_numba() -> bool:
    return find_spec("numba") is not None
