"""The host's device and its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from ...a124core.protocols import Guidance
from ...a124core.runs.memory import model_priors
from ...a124core.utils.device import best_device
from .runtime import host_module

JOB_BYTES = 3 * 2**30  # kept free beside the models for field, its optimiser and renderer; encoders want more


def host_device() -> torch.device:
    """The device the host computes on."""
    management = host_module("comfy.model_management")
    return best_device() if management is None else management.get_torch_device()


def free_vram(models: list | None = None, room: int = JOB_BYTES) -> None:
    """One request before a long job: the host loads the models that the job asks and keeps so many bytes beside them.

    Without such models it takes all of its own off the accelerator. Of clones, which share weights, one is loaded.
    """
    management = host_module("comfy.model_management")
    if management is None:
        return
    if models:
        with torch.inference_mode():
            management.load_models_gpu(list({id(m.model): m for m in models}.values()), memory_required=room)
    elif host_device().type != "cpu":
        management.unload_all_models()
        management.soft_empty_cache()


@contextmanager
def reserve_vram(room: int) -> Iterator[None]:
    """So many bytes stay free whatever the host loads meanwhile: each of its own requests, one for every question to a
    MODEL, knows only what that MODEL needs."""
    management = host_module("comfy.model_management")
    if not hasattr(management, "EXTRA_RESERVED_VRAM"):
        yield
        return
    management.EXTRA_RESERVED_VRAM += room
    try:
        yield
    finally:
        management.EXTRA_RESERVED_VRAM -= room


@contextmanager
def loaded_models(guidances: Iterable[Guidance | None]) -> Iterator[None]:
    """Load the host's models of the priors with free memory beside them for a run; close the priors however it ends."""
    priors = model_priors(guidances)
    encoders = [prior.activation_bytes() for prior in priors]  # one encodes at a time
    free = JOB_BYTES + max(encoders, default=0)
    free_vram([model for prior in priors for model in prior.models()], free)
    try:
        with reserve_vram(free if priors else 0):
            yield
    finally:
        for prior in priors:
            prior.close()
