"""Where and how precisely a network computes, and where its weights wait: what `--memory` means for priors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

CPU = "cpu"


@dataclass(frozen=True)
class OffloadPolicy:
    """Defaults: everything stays on the CPU in full precision."""

    device: str = CPU  # where the networks compute; may be a second accelerator
    rest: str | None = None  # where their weights wait between two questions; None: they stay
    dtype: torch.dtype = torch.float32  # of UNet and ControlNet; VAE and text encoder compute in float32
    apart: bool = False  # the halves of classifier-free guidance one after the other, attention in slices


def offload_policy(memory: str, device: str) -> OffloadPolicy:
    """What the words of --memory mean. Only `low` parks the weights; the guess is the same up to rounding.

    16 bits on accelerators: bfloat16, whose range no activation leaves, where the device has it.
    """
    accelerated = torch.device(device).type != CPU
    dtype = _short(device) if accelerated else torch.float32
    low = memory == "low"
    return OffloadPolicy(device, CPU if low and accelerated else None, dtype, apart=low)


def _short(device: str) -> torch.dtype:
    """bfloat16 if a product can be taken there, else float16."""
    try:
        one = torch.ones(2, 2, dtype=torch.bfloat16, device=device)
        return (one @ one).dtype
    except (RuntimeError, TypeError):
        return torch.float16


@contextmanager
def on_device(place: OffloadPolicy, *networks: nn.Module | None) -> Iterator[None]:
    """Networks on their device for as long as they are asked."""
    present = [n for n in networks if n is not None]
    move(place.device, *present)
    try:
        yield
    finally:
        if place.rest is not None:
            move(place.rest, *present)


def move(device: str, *networks: nn.Module) -> None:
    for network in networks:
        first = next(network.parameters(), None)
        if first is not None and first.device != torch.device(device):
            network.to(device)


def size_of(network: nn.Module) -> int:
    """Bytes of its weights."""
    return sum(value.nbytes for value in (*network.parameters(), *network.buffers()))


def collect() -> None:
    """After something large was dropped: reference cycles hold its weights until they are collected."""
    gc.collect()
