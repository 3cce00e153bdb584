"""Plain-word refusals of options that cannot work, for the frozen dataclasses."""

from __future__ import annotations

ANY = float("inf")  # no upper bound
ABOVE_ZERO = 1e-30  # lower bound of a number that divides or scales


def within(config: object, low: float, high: float, *names: str) -> None:
    """Stop at the first of these numbers of the config that lies outside [low, high], or is not a number."""
    for name in names:
        value = getattr(config, name)
        if not low <= value <= high:
            floor = "above 0" if low == ABOVE_ZERO else f"at least {low:g}"
            needed = floor if high == ANY else f"{floor} and at most {high:g}"
            raise ValueError(f"{name} is {value}: it must be {needed}. Change it, or take the number of a preset.")


def one_of(config: object, name: str, known: tuple[str, ...]) -> None:
    """Stop if the named choice of the config is not one that exists."""
    value = getattr(config, name)
    if value not in known:
        raise ValueError(f"{name} is {value!r}: choose one of {', '.join(known)}.")
