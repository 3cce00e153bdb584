"""Which backend a device gets. Nothing is imported or compiled before the first call on a device."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from types import ModuleType

import torch

from ..device import is_current
from . import torch_ops

CHOICES = ("auto", "torch", "triton")
log = logging.getLogger(__name__)


def ops_for(device: torch.device) -> ModuleType:
    """torch_ops, or triton_ops where it can run, is wished for and agrees with torch."""
    wish = os.environ.get("A124_KERNELS", "auto").strip().lower() or "auto"
    return _chosen(device, wish, _can_run_triton(device))


@lru_cache(maxsize=16)
def _chosen(device: torch.device, wish: str, possible: bool) -> ModuleType:
    if wish not in CHOICES:
        log.warning("A124_KERNELS is %r: use one of %s. Going on with auto.", wish, ", ".join(CHOICES))
    if wish == "torch" or not possible:
        return torch_ops
    try:
        from . import triton_ops
        from .selftest import disagreement

        found = disagreement(triton_ops, torch_ops, device)
    except Exception as error:  # a compiler, a driver, a wheel of another platform: whatever it is, torch still works
        found = f"{type(error).__name__}: {error}".splitlines()[0]
    if not found:
        return triton_ops
    log.warning("Triton kernels are left out on %s, plain torch is used instead: %s", device, found)
    return torch_ops


def _can_run_triton(device: torch.device) -> bool:
    """CUDA and ROCm, where Triton launches on the current device only; a CPU only through Triton's interpreter, which
    is for tests."""
    if device.type == "cpu":
        return os.environ.get("TRITON_INTERPRET") == "1"
    return device.type == "cuda" and is_current(device)
