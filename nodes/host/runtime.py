"""The host as it runs the pack: its modules are looked up, and its inference mode is left.

The host has loaded its own modules long before a node runs, so they are looked up, never imported: without a host every
function of this folder that needs one has a default.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch


def host_module(name: str) -> ModuleType | None:
    """Return a module of the host by its dotted name; None without a host (tests, scripts)."""
    return sys.modules.get(name)


def outside_inference(function: Callable) -> Callable:
    """Run a node's method outside the host's inference mode, whose tensors can never be trained."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        with torch.inference_mode(False), torch.enable_grad():
            return function(*args, **kwargs)

    return wrapped
