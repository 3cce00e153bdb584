"""Where networks compute, in which precision, and where their weights wait: what `--memory` means for priors."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import nn

CPU = "cpu"
HIGH_CFG = 20.0  # above which the rounding of cond - uncond counts


@dataclass(frozen=True)
class OffloadPolicy:
    """Defaults: everything stays on the CPU in full precision."""

    device: str = CPU  # where the networks compute; may be a second accelerator
    offload_device: str | None = None  # where weights are kept between forward passes; None: they stay on the device
    dtype: torch.dtype = torch.float32  # of UNet and ControlNet; VAE and text encoder compute in float32
    split_cfg: bool = False  # conditional and unconditional pass one after the other, attention in slices


def offload_policy(memory: str, device: str) -> OffloadPolicy:
    """Return the policy of a value of --memory; only `low` offloads, with the same outputs up to rounding.

    16 bits on accelerators: bfloat16, whose range no activation leaves, where the device has it.
    """
    accelerated = torch.device(device).type != CPU
    dtype = _half_dtype(device) if accelerated else torch.float32
    low = memory == "low"
    return OffloadPolicy(device, CPU if low and accelerated else None, dtype, split_cfg=low)


def _half_dtype(device: str) -> torch.dtype:
    """Return bfloat16 if the device can multiply it, else float16."""
    return torch.bfloat16 if _multiplies(torch.bfloat16, device) else torch.float16


def _multiplies(dtype: torch.dtype, device: str) -> bool:
    """Return whether the device can multiply matrices of this type."""
    try:
        one = torch.ones(2, 2, dtype=dtype, device=device)
        return (one @ one).dtype == dtype
    except (RuntimeError, TypeError):
        return False


def rounded_for(cfg: float, policy: OffloadPolicy) -> OffloadPolicy:
    """Return the policy with float16 in the place of bfloat16 where a high cfg multiplies what rounding does to
    cond - uncond: float16 has three more binary digits, and the release ran in it."""
    rough = policy.dtype == torch.bfloat16 and cfg > HIGH_CFG
    return replace(policy, dtype=torch.float16) if rough and _multiplies(torch.float16, policy.device) else policy


@contextmanager
def on_device(policy: OffloadPolicy, *networks: nn.Module) -> Iterator[None]:
    """Keep the networks on the compute device for the duration of the block."""
    move(policy.device, *networks)
    try:
        yield
    finally:
        if policy.offload_device is not None:
            move(policy.offload_device, *networks)


def move(device: str, *networks: nn.Module) -> None:
    for network in networks:
        first = next(network.parameters(), None)
        if first is not None and first.device != torch.device(device):
            network.to(device)


def network_bytes(network: nn.Module) -> int:
    """Return the bytes of its parameters and buffers."""
    return sum(value.nbytes for value in (*network.parameters(), *network.buffers()))


def collect() -> None:
    """Free networks that were just dropped: reference cycles keep their weights until they are collected."""
    gc.collect()
