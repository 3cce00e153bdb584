"""Memory that is asked for before minutes of work, not found missing after them."""

from __future__ import annotations

from .device import free_memory


def check_memory(needed: int, what: str, instead: str) -> None:
    """Stop if so many bytes are more than what this computer has free. what "takes" them, instead: what to do."""
    free = free_memory("cpu")
    if needed > free:
        raise ValueError(f"{what} takes {needed / 2**30:.1f} GB of memory, {free / 2**30:.1f} GB are free: {instead}.")
