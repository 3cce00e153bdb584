"""Follows the run of an optimizer for the user: progress, preview, figures, expected time, snapshots, cancel."""

from __future__ import annotations

import time
from typing import Any

from ...a124core.protocols import Step
from ...a124core.utils.text import format_duration
from ..host import ui
from ..host.images import to_preview_image
from .keep import Keep

PREVIEW_SECONDS = 3.0
PREVIEW_SHARE = 20.0  # a preview may cost one part in this many of the time
STATS_SECONDS = 0.5
SNAPSHOT_SECONDS = 180.0
TIMED_STEPS = 10  # steps after which the node says how long it will take


class Watch:
    """Follows a run: progress, preview, expected time, snapshots, cancel."""

    def __init__(self, stage: str, steps: int, done_before: int, keep: Keep, node_id: str | None) -> None:
        self.stage, self.steps, self.first, self.keep, self.node_id = stage, steps, done_before, keep, node_id
        self.report = ui.progress(steps, node_id)
        self.report(done_before, None)  # the bar is there before the first step, which may take minutes
        self.started = self.previewed = self.saved = self.told = time.monotonic()
        self.preview_every = PREVIEW_SECONDS
        self.last: Step | None = None
        self.forecast = ""

    def begin(self, forecast: str) -> None:
        """Before the first step: the preset and what the run will hold, shown until its end."""
        self.forecast = forecast
        going_on = f"Going on from step {self.first} of {self.steps}. " if self.first else ""
        ui.show_text(self.node_id, f"{going_on}{forecast}")

    def on_step(self, step: Step) -> None:
        """Called by the stage after every step; raises the host's exception on cancel."""
        self.last = step
        ui.stop_if_cancelled()
        now = time.monotonic()
        picture = self._preview(step) if now - self.previewed >= self.preview_every else None
        self.report(step.step, picture)
        if now - self.told >= STATS_SECONDS or step.step == self.steps:
            self._tell(step)
        if step.step - self.first == TIMED_STEPS or picture is not None:
            ui.show_text(self.node_id, self._pace(step.step))
        if now - self.saved >= SNAPSHOT_SECONDS and step.step < self.steps:
            self.save_last()

    def save_last(self) -> None:
        """A snapshot of the last finished step. It never raises: the reason for being called must not be hidden."""
        if self.last is not None:
            try:
                problem = self.keep.save(self.last.snapshot())
            except RuntimeError as error:  # no memory left for the copy
                problem = f"snapshot not saved: {error}"
            if problem:
                ui.show_text(self.node_id, problem)
        self.saved = time.monotonic()

    def summary(self) -> str:
        """One line when all is done."""
        return f"{self.steps} steps, {format_duration(time.monotonic() - self.started)}."

    def _preview(self, step: Step) -> Any:
        begun = time.monotonic()
        picture = to_preview_image(step.preview())
        self.previewed = time.monotonic()
        self.preview_every = max(PREVIEW_SECONDS, PREVIEW_SHARE * (self.previewed - begun))
        return picture

    def _tell(self, step: Step) -> None:
        """The figures for whoever draws them: one event, a few hundred bytes."""
        left = self._per_step(step.step) * (self.steps - step.step)
        self.told = time.monotonic()
        ui.send("animate124.stats", {
            "node": self.node_id, "stage": self.stage, "step": step.step, "steps": self.steps,
            "seconds_left": left if step.step - self.first >= TIMED_STEPS else None, "losses": step.losses,
        })  # fmt: skip

    def _per_step(self, done: int) -> float:
        return (time.monotonic() - self.started) / max(done - self.first, 1)

    def _pace(self, done: int) -> str:
        left, whole = self._per_step(done) * (self.steps - done), self._per_step(done) * self.steps
        pace = f"Step {done} of {self.steps}: about {format_duration(left)} left, {format_duration(whole)} in all."
        return f"{pace}\n{self.forecast}"
