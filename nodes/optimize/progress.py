"""What a node shows of its run: bar, preview, figures, expected time, and how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...a124core.protocols import FieldLostError
from ...a124core.stages.balance import describe_shares
from ...a124core.utils.text import format_duration
from ..host import ui
from ..host.images import to_data_url, to_preview_image

log = logging.getLogger(__name__)
STATS_SECONDS = 0.5
TIMED_STEPS = 10  # steps after which the node says how long it will take


class NodeProgress:
    """The front end of one run on a node."""

    def __init__(self, stage: str, steps: int, first: int, node_id: str | None) -> None:
        self.stage, self.steps, self.first, self.node_id = stage, steps, first, node_id
        self.done = first
        self.report = ui.progress(steps, node_id)
        self.report(first, None)  # the bar is there before the first step, which may take minutes
        self.started = self.sent = time.monotonic()
        self.details = self.problem = self.balance = ""
        self.picture: str | None = None  # of the last preview, as a data URL

    def begin(self, details: str) -> None:
        """Show that the run is being prepared; the details, such as preset and memory, stay below until its end."""
        self.details = details
        begun = f"Going on from step {self.first} of {self.steps}" if self.first else "Preparing the first step"
        self._say(f"{begun} ...")

    def on_step(self, step: Any) -> None:
        """Move the bar; raise the host's exception on a cancel."""
        self.done = step.step
        self.balance = describe_shares(getattr(step, "gradient_shares", {}))  # a word is learned without
        ui.stop_if_cancelled()
        self.report(step.step, None)
        timed = step.step - self.first == TIMED_STEPS
        if timed or step.step == self.steps or time.monotonic() - self.sent >= STATS_SECONDS:
            self._send(step)

    def on_preview(self, step: Any) -> None:
        """Show the preview on the node."""
        image = to_preview_image(step.preview())
        self.picture = to_data_url(image)
        self.report(step.step, image)

    def on_problem(self, message: str) -> None:
        """Log what could not be written, and show it below the steps until the end."""
        log.warning("Animate124: %s", message)
        self.problem = message
        self._say(self._pace())

    @contextmanager
    def showing_stop(self, again: str = "Press Run") -> Iterator[None]:
        """Show where the run stopped if it ends early; again: what continues it."""
        try:
            yield
        except BaseException as error:
            ui.show_text(self.node_id, self._stopped(error, again), picture=self.picture)
            raise

    def summary(self) -> str:
        """Say in one line what was done."""
        resumed = f" (resumed at {self.first})" if self.first else ""
        return f"Done: {self.steps} steps{resumed} in {format_duration(time.monotonic() - self.started)}."

    def output(self, notes: str, *result: Any) -> dict[str, Any]:
        """Return the node's result with what stays on it: the summary, notes below it, the last preview."""
        picture = {} if self.picture is None else {"a124_picture": [self.picture]}
        return ui.output("\n".join(filter(None, (self.summary(), self.problem, notes))), *result, **picture)

    def _stopped(self, error: BaseException, again: str) -> str:
        how = "Cancelled" if ui.is_cancel(error) else "Stopped by an error"
        if not self.done:
            return f"{how} before the first step was done."
        place = f"{how} at step {self.done} of {self.steps}."
        if isinstance(error, FieldLostError):
            return place
        return f"{place} {self.problem or f'{again} to go on from there.'}"

    def _send(self, step: Any) -> None:
        """Send the figures to the browser: one event, a few hundred bytes."""
        self.sent = time.monotonic()
        losses = step.losses if hasattr(step, "losses") else {"loss": step.loss}  # a step may have none at all
        ui.send("animate124.stats", {"node": self.node_id, "stage": self.stage, "step": step.step, "losses": losses})
        self._say(self._pace())

    def _pace(self) -> str:
        """Say which step it is and, once steps are timed, how long the rest will take."""
        place, timed = f"Step {self.done} of {self.steps}", self.done - self.first
        if timed < TIMED_STEPS:
            return place
        left = (time.monotonic() - self.started) / timed * (self.steps - self.done)
        return f"{place}: about {format_duration(left)} left"

    def _say(self, line: str) -> None:
        balance = self.balance and f"Gradient: {self.balance}."
        ui.show_text(self.node_id, "\n".join(filter(None, (line, balance, self.problem or self.details))), running=True)
