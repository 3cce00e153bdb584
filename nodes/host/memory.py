"""The host's device and its VRAM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from ...a124core.protocols import Guidance
from ...a124core.runs.memory import model_priors
from ...a124core.utils.device import best_device
from .runtime import host_module

# Beside the models, for field, optimiser and renderer; gradients of encoders come on top. estimate_memory with Triton:
# draft 2.0 GiB at most, released and paper 3.3 with memory low (5.2 balanced, for which the host pages weights)
RESERVED_BYTES = 7 * 2**29


def host_device() -> torch.device:
    """Return the device that the host computes on."""
    management = host_module("comfy.model_management")
    return best_device() if management is None else management.get_torch_device()


def free_vram(models: list | None = None, reserved: int = RESERVED_BYTES) -> None:
    """Request VRAM once, before a long run: the host loads the run's models and keeps so many bytes free beside them.

    Without models it unloads all of its own. Of clones, which share weights, one is loaded.
    """
    management = host_module("comfy.model_management")
    if management is None:
        return
    if models:
        with torch.inference_mode():
            management.load_models_gpu(list({id(m.model): m for m in models}.values()), memory_required=reserved)
    elif host_device().type != "cpu":
        management.unload_all_models()
        management.soft_empty_cache()


@contextmanager
def reserve_vram(n_bytes: int) -> Iterator[None]:
    """Keep so many bytes free whatever the host loads meanwhile: its own request, one for every denoise, counts only
    what that MODEL needs."""
    management = host_module("comfy.model_management")
    if not hasattr(management, "EXTRA_RESERVED_VRAM"):
        yield
        return
    management.EXTRA_RESERVED_VRAM += n_bytes
    try:
        yield
    finally:
        management.EXTRA_RESERVED_VRAM -= n_bytes


@contextmanager
def loaded_models(guidances: Iterable[Guidance | None]) -> Iterator[None]:
    """Load the host's models of the priors with free memory beside them for a run; close the priors however it ends."""
    priors = model_priors(guidances)
    encoders = [prior.activation_bytes() for prior in priors]  # one encodes at a time
    n_bytes = RESERVED_BYTES + max(encoders, default=0)
    free_vram([model for prior in priors for model in prior.models()], n_bytes)
    try:
        with reserve_vram(n_bytes if priors else 0):
            yield
    finally:
        for prior in priors:
            prior.close()
