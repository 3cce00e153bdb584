"""Plain-word refusals: of options that cannot work, for the frozen dataclasses, and of names that cannot be files."""

from __future__ import annotations

import os

ANY = float("inf")  # no upper bound
ABOVE_ZERO = 1e-30  # lower bound of a number that divides or scales
RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{k}" for port in ("COM", "LPT") for k in range(1, 10))}  # Windows
FORBIDDEN = '<>:"|?*\\'  # in file names, on Windows
LONGEST = 120  # bytes of one part: every common file system takes 255, and a number and a suffix follow


def check_range(config: object, low: float, high: float, *names: str) -> None:
    """Stop at the first of these numbers of the config that lies outside [low, high], or is not a number."""
    for name in names:
        value = getattr(config, name)
        if not low <= value <= high:
            floor = "above 0" if low == ABOVE_ZERO else f"at least {low:g}"
            needed = floor if high == ANY else f"{floor} and at most {high:g}"
            raise ValueError(f"{name} is {value}: it must be {needed}, so choose another number.")


def check_choice(config: object, name: str, known: tuple[str, ...]) -> None:
    """Stop if the named choice of the config is not one that exists."""
    value = getattr(config, name)
    if value not in known:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(known)}.")


def plain_name(name: str) -> str:
    """The name of a file to write, "tabby", or of a folder and a file, "cats/tabby"; refused where a system would not
    take it, or where it would leave the folder that it is meant for."""
    for part in name.split("/"):
        trouble = _trouble(part)
        if trouble:
            raise ValueError(f"the name {name!r} {trouble}: use a plain name such as 'robot' or 'cats/tabby'.")
    return name


def _trouble(part: str) -> str:
    """What is wrong with one part of a path; empty if nothing is."""
    if not part.strip() or part in (".", ".."):
        return "does not stay in its folder, or is empty"
    if part.split(".")[0].strip().upper() in RESERVED:
        return f"holds {part!r}, which Windows keeps for itself"
    if any(c in FORBIDDEN or not c.isprintable() for c in part):
        return f"holds a character that file names cannot have ({FORBIDDEN} and control characters)"
    if part[-1] in ". " or part[0] == " ":
        return "begins or ends with a space, or ends with a dot"
    return f"is longer than {LONGEST} bytes (a letter takes 1 to 4)" if len(os.fsencode(part)) > LONGEST else ""
