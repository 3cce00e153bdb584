"""Sentences for the user that the command line and the nodes share."""

from __future__ import annotations

from collections.abc import Iterable


def count_noun(number: int, noun: str) -> str:
    """1 frame, 2 frames."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def unused_note(what: str, names: Iterable[str]) -> str:
    """On settings that were changed and that `what` has no use for; empty if there are none."""
    said = ", ".join(names)
    return f"Without effect for {what}: {said}." if said else ""
