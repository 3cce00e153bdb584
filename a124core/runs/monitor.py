"""When a run shows a preview and saves a snapshot, whatever front end shows it: command line or node."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol


class FrontEnd(Protocol):
    """What a user sees of a run."""

    def on_step(self, step: Any) -> None:
        """Show the progress after a step. An exception cancels the run."""

    def on_preview(self, step: Any) -> None:
        """Show a preview of the step. OSError if it cannot be written."""

    def on_problem(self, message: str) -> None:
        """Tell what went wrong and does not end the run."""


@dataclass(frozen=True)
class Intervals:
    """Seconds between two of a kind."""

    snapshot: float = 60.0
    first_snapshot: float = 20.0  # from the start of the run to the first one
    snapshot_share: float = 0.03  # most of the time that saving may take: rather fewer snapshots
    snapshot_rate: float = 20e9 / 3600.0  # bytes a second that saving may write on average: the same
    preview: float = 10.0
    preview_share: float = 0.0  # a preview may cost one part in this many of the time; 0: any
    preview_last: bool = False  # show the last step whatever the time

    def until_next_snapshot(self, cost: float, size: int) -> float:
        """Return the seconds from the end of a save to the next, after one that took cost seconds and size bytes."""
        return max(self.snapshot, cost / self.snapshot_share - cost, size / self.snapshot_rate - cost)


class RunMonitor:
    """Follow one run: on_step is what its steps call."""

    def __init__(
        self,
        front_end: FrontEnd,
        save: Callable[[Any], int],  # keeps a snapshot of a step and returns its bytes, or raises why it cannot
        intervals: Intervals = Intervals(),
    ) -> None:
        self.front_end, self.save, self.intervals = front_end, save, intervals
        self.last: Any = None  # the last finished step
        self._preview_after = intervals.preview
        self._save_after = min(intervals.first_snapshot, intervals.snapshot)
        self._saved_step: Any = None
        self._saved = self._previewed = time.monotonic()

    def on_step(self, step: Any) -> None:
        """Report the step; save and preview where it is time."""
        self.last = step
        for note in step.notes:
            self.front_end.on_problem(note)
        self.front_end.on_step(step)
        now = time.monotonic()
        if now - self._saved >= self._save_after and step.step < step.steps:
            self.save_last(", the run goes on")
        last = self.intervals.preview_last and step.step == step.steps
        if last or now - self._previewed >= self._preview_after:
            self._preview(step)

    def save_last(self, then: str = "") -> None:
        """Save the last finished step if it is not saved yet. It never raises: it must not hide why it was called."""
        began, size = time.monotonic(), 0
        if self.last is not self._saved_step:
            try:
                size = self.save(self.last)
                self._saved_step = self.last
            except Exception as error:  # a full disk, no memory left for the copy, and what nobody thought of
                self.front_end.on_problem(f"Snapshot not saved{then}: {error}")
        self._saved = time.monotonic()
        self._save_after = self.intervals.until_next_snapshot(self._saved - began, size)

    @contextmanager
    def saving_on_error(self, *not_worth: type[BaseException]) -> Iterator[None]:
        """Save the last finished step if the run ends early, but for these exceptions."""
        try:
            yield
        except not_worth:
            raise
        except BaseException:  # cancelled, out of memory, a fault of a prior: the last good step must survive
            self.save_last()
            raise

    def _preview(self, step: Any) -> None:
        began = time.monotonic()
        try:
            self.front_end.on_preview(step)
        except OSError as error:  # a full disk must not end a run that still has hours to find room
            self.front_end.on_problem(f"Preview not written, the run goes on: {error}")
        self._previewed = time.monotonic()
        cost = self._previewed - began
        self._preview_after = max(self.intervals.preview, self.intervals.preview_share * cost)
