"""What an optimizer node shows of its run: bar, preview, figures, expected time."""

from __future__ import annotations

import logging
import time

from ...a124core.protocols import Step
from ...a124core.utils.text import format_duration
from ..host import ui
from ..host.images import to_preview_image

log = logging.getLogger(__name__)
STATS_SECONDS = 0.5
TIMED_STEPS = 10  # steps after which the node says how long it will take


class NodeProgress:
    """The front end of one run on a node."""

    def __init__(self, stage: str, steps: int, first: int, node_id: str | None) -> None:
        self.stage, self.steps, self.first, self.node_id = stage, steps, first, node_id
        self.report = ui.progress(steps, node_id)
        self.report(first, None)  # the bar is there before the first step, which may take minutes
        self.started = self.sent = time.monotonic()
        self.header = ""

    def begin(self, header: str) -> None:
        """Show the preset and the memory that the run needs, until its end."""
        self.header = header
        resumed = f"Going on from step {self.first} of {self.steps}. " if self.first else ""
        ui.show_text(self.node_id, f"{resumed}{header}")

    def on_step(self, step: Step) -> None:
        """Move the bar; raise the host's exception on a cancel."""
        ui.stop_if_cancelled()
        self.report(step.step, None)
        if time.monotonic() - self.sent >= STATS_SECONDS or step.step == self.steps:
            self._send(step)
        if step.step - self.first == TIMED_STEPS:
            ui.show_text(self.node_id, self._pace(step.step))

    def on_preview(self, step: Step) -> None:
        """Show the preview and the pace on the node."""
        self.report(step.step, to_preview_image(step.preview()))
        ui.show_text(self.node_id, self._pace(step.step))

    def on_problem(self, message: str) -> None:
        """Show what could not be written, and log it: the text on the node is soon replaced."""
        log.warning("Animate124: %s", message)
        ui.show_text(self.node_id, message)

    def summary(self) -> str:
        """Say what was done, in one line."""
        return f"{self.steps} steps, {format_duration(time.monotonic() - self.started)}."

    def _send(self, step: Step) -> None:
        """Send the figures to the browser: one event, a few hundred bytes."""
        left = self._per_step(step.step) * (self.steps - step.step)
        self.sent = time.monotonic()
        ui.send("animate124.stats", {
            "node": self.node_id, "stage": self.stage, "step": step.step, "steps": self.steps,
            "seconds_left": left if step.step - self.first >= TIMED_STEPS else None, "losses": step.losses,
        })

    def _per_step(self, done: int) -> float:
        return (time.monotonic() - self.started) / max(done - self.first, 1)

    def _pace(self, done: int) -> str:
        left, whole = self._per_step(done) * (self.steps - done), self._per_step(done) * self.steps
        pace = f"Step {done} of {self.steps}: about {format_duration(left)} left, {format_duration(whole)} in all."
        return f"{pace}\n{self.header}"
