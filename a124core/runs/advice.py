"""What to do when memory ran out, in one sentence for every front end."""

from __future__ import annotations

from collections.abc import Sequence


def out_of_memory_advice(
    task: str,
    resuming: Sequence[str] = (),  # what needs less memory and continues from the last step
    restarting: Sequence[str] = (),  # what needs less memory and begins anew
) -> str:
    """Name what ran out of memory and what needs less."""
    return f"{task} is out of memory: {less_memory(resuming, restarting)}."


def less_memory(resuming: Sequence[str] = (), restarting: Sequence[str] = ()) -> str:
    """List what needs less memory, cheapest first."""
    ways = []
    if resuming:
        ways.append(f"{', or '.join(resuming)}, with which it goes on from its last step")
    if restarting:
        ways.append(f"{', or '.join(restarting)}, with which it begins anew")
    return "; if that is not enough, ".join(ways)
