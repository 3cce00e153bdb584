"""How far the work is, told so often that a cancel is never far away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

OnProgress = Callable[[int, int, str], None]  # steps done, steps in all, what is being done. Raising in it cancels


@dataclass
class ProgressCounter:
    """Counts while meshes are made."""

    total: int
    on_progress: OnProgress | None
    done: int = 0
    what: str = "looking for the object"
    size: str = ""  # how large the file will be, as soon as that is known: told with everything after it

    def count(self, what: str) -> None:
        """A step is done."""
        self.done, self.what = min(self.done + 1, self.total), what
        self.heard()

    def heard(self) -> None:
        """In the middle of a step: nothing is counted, but a cancel is heard."""
        if self.on_progress is not None:
            self.on_progress(self.done, self.total, f"{self.what}, {self.size}" if self.size else self.what)
