"""Progress of long work: one callback, called so often that a cancel is never far away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# Called with steps done, steps in all, and what is being done ("" where the numbers suffice); raising in it cancels.
OnProgress = Callable[[int, int, str], None]


@dataclass
class ProgressCounter:
    """Steps of a task that are counted as they are done."""

    total: int
    on_progress: OnProgress | None
    done: int = 0
    text: str = ""  # what is being done
    suffix: str = ""  # appended to every text

    def advance(self, text: str) -> None:
        """Count a step and report it."""
        self.done, self.text = min(self.done + 1, self.total), text
        self.report()

    def report(self) -> None:
        """Report without counting, in the middle of a step, so that a cancel can be raised."""
        if self.on_progress is not None:
            self.on_progress(self.done, self.total, f"{self.text}, {self.suffix}" if self.suffix else self.text)
