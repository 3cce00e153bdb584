"""Checks when a job is queued, in VALIDATE_INPUTS: what a run would refuse after minutes is refused before it starts.

The host passes the value of a widget, None for what comes by a wire, and nothing for what is unplugged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..a124core.utils.text import quote_value

UNPLUGGED: Any = object()  # default of a wired input in VALIDATE_INPUTS
QUOTED = re.compile(r"(?<!\w)(['\"])(.*?)\1(?!\w)")
LOOKALIKES = str.maketrans({"'": "’", '"': "”", "/": "∕", "=": "＝", "&": "＆", "<": "‹", ">": "›"})
LONGEST = 12  # choices that a sentence lists


@contextmanager
def when_queued() -> Iterator[None]:
    """Raise what the checks refuse: one error on the node. Of a sentence that VALIDATE_INPUTS returns, the host makes
    one for each input that it names."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ValueError(panel_text(str(error))) from None


def panel_text(sentence: str) -> str:
    """Return a sentence in characters that look alike and that the host's error panel does not escape."""
    return QUOTED.sub(r"‘\2’", sentence).translate(LOOKALIKES)


def check_declared(node: type, **values: Any) -> None:
    """Refuse values that the inputs' declarations exclude: the host does not look at inputs of VALIDATE_INPUTS."""
    groups = node.INPUT_TYPES()
    specs = {**groups["required"], **groups.get("optional", {})}
    for name, value in values.items():
        if value is not None:
            _check_value(name, value, *specs[name])


def _check_value(name: str, value: Any, kind: Any, options: dict[str, Any]) -> None:
    if isinstance(kind, list) and value not in kind:
        listed = f"one of {', '.join(map(str, kind))}" if len(kind) <= LONGEST else "another one of its list"
        raise ValueError(f"{name} is {quote_value(value)}: choose {listed}.")
    low, high = options.get("min", value), options.get("max", value)
    if not isinstance(kind, list) and not low <= value <= high:
        raise ValueError(f"{name} is {value}: it must be at least {low} and at most {high}, so choose another number.")
