"""Sentences for the user, and numbers in them: counts, sizes, durations."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from typing import Any

MAX_QUOTED, MAX_MESSAGE = 60, 200  # characters of a foreign value, and message, in a sentence of ours
START_OVER = "start over, on a node with resume = restart, on the command line without --resume"  # advice


def count_noun(number: int, noun: str) -> str:
    """Return the number with its noun: 1 frame, 2 frames."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def format_bytes(size: float) -> str:
    """Format a size: 12.3 GB, 640 MB, 80 kB."""
    if size >= 2**30:
        return f"{size / 2**30:.1f} GB"
    return f"{size / 2**20:.0f} MB" if size >= 2**20 else f"{size / 2**10:.0f} kB"


def format_duration(seconds: float) -> str:
    """Format a duration: 40 s, 12 min, 3.5 hours."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"


def first_line(error: object) -> str:
    """Return a message of a library as a part of a sentence: its first line, without a full stop, not too long."""
    lines = str(error).strip().splitlines() or [""]
    text = " ".join(lines[0].split()).rstrip(".:") or type(error).__name__
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]} ..."


def quote_value(value: Any, longest: int = MAX_QUOTED) -> str:
    """Return the literal of a foreign value as a part of a sentence, shortened in the middle where it is long."""
    literal = reprlib.Repr()
    literal.maxstring = literal.maxlong = literal.maxother = longest
    return literal.repr(value)


def shorten(text: str, longest: int) -> str:
    """Return a text without its middle where it is longer: the end of a sentence says what to do."""
    half = (longest - 5) // 2
    return text if len(text) <= longest else f"{text[:half]} ... {text[-half:]}"


def printable(text: str) -> str:
    """Return a foreign text with escapes for what a terminal would obey instead of showing it."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def unused_note(target: str, names: Iterable[str]) -> str:
    """Return a sentence on changed settings that the target does not use; empty if there are none."""
    listed = ", ".join(names)
    return f"Without effect for {target}: {listed}." if listed else ""
