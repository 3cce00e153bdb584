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
    """torch_ops, or a faster backend that can run there, is wished for and agrees with torch."""
    wish = os.environ.get("A124_KERNELS", "auto").strip().lower() or "auto"
    return _chosen(device, wish, _fastest(device))


def backend_name(device: torch.device) -> str:
    """What computes the operations there: "torch", "numba" or "triton"."""
    return ops_for(device).NAME


@lru_cache(maxsize=16)
def _chosen(device: torch.device, wish: str, fastest: str) -> ModuleType:
    if wish not in CHOICES:
        log.warning("A124_KERNELS is %r: use one of %s. Going on with auto.", wish, ", ".join(CHOICES))
        wish = "auto"
    if wish == "numba" and device.type == "cpu" and fastest == "torch":
        log.warning("A124_KERNELS is numba, and it is not installed: %s -m pip install numba", sys.executable)
    if fastest == "torch" or wish not in ("auto", fastest):
        return torch_ops
    try:
        from .selftest import disagreement

        backend = _whole(import_module(f"{__package__}.{fastest}_impl.ops"))
        found = disagreement(backend, torch_ops, device)
    except Exception as error:  # a compiler, a driver, a wheel of another platform: whatever it is, torch still works
        found = f"{type(error).__name__}: {error}".splitlines()[0]
    if not found:
        return backend
    log.warning("%s kernels are left out on %s, plain torch is used instead: %s", fastest.title(), device, found)
    return torch_ops


def _whole(covers: ModuleType) -> ModuleType:
    """A backend under its own name, with torch's operations where it has none of its own."""
    whole = ModuleType(covers.__name__)
    operations = {name: getattr(covers, name, getattr(torch_ops, name)) for name in torch_ops.__all__}
    vars(whole).update(operations, NAME=covers.NAME)
    return whole


def _fastest(device: torch.device) -> str:
    """Triton on CUDA and ROCm, where it launches on the current device only; on a CPU Numba where it is installed,
    or Triton's interpreter where a test asks for it."""
    if device.type == "cpu":
        if os.environ.get("TRITON_INTERPRET") == "1":
            return "triton"
        return "numba" if _has_numba() else "torch"
    return "triton" if device.type == "cuda" and is_current(device) else "torch"


@lru_cache(maxsize=1)
def _has_numba() -> bool:
    return find_spec("numba") is not None
