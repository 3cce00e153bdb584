"""Seconds per named part, by wrapping functions where they are looked up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from a124core.utils.device import synchronize

from .measure import clock_for


class Clock:
    """Adds up the own time of parts: time in a part inside another counts for the inner one only."""

    def __init__(self, device: str) -> None:
        self.device, self.now = device, clock_for(device)
        self.seconds: dict[str, float] = defaultdict(float)
        self.stack: list[list[float]] = []

    def wrap(self, part: str, function: Callable) -> Callable:
        @wraps(function)
        def timed(*args: Any, **options: Any) -> Any:
            synchronize(self.device)
            began = self.now()
            self.stack.append([0.0])
            try:
                return function(*args, **options)
            finally:
                synchronize(self.device)
                spent = self.now() - began
                inner = self.stack.pop()[0]
                self.seconds[part] += spent - inner
                if self.stack:
                    self.stack[-1][0] += spent

        return timed

    @contextmanager
    def watching(self, places: dict[str, list[tuple[Any, str]]]) -> Iterator[None]:
        """Wrap attributes for a while: {part: [(module or class, name), ...]}."""
        originals = [(owner, name, getattr(owner, name)) for spots in places.values() for owner, name in spots]
        for part, spots in places.items():
            for owner, name in spots:
                setattr(owner, name, self.wrap(part, getattr(owner, name)))
        try:
            yield
        finally:
            for owner, name, function in originals:
                setattr(owner, name, function)
