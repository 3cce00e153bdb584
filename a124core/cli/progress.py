"""What the terminal shows of a run: progress bar, losses, preview; and a Ctrl-C that costs nothing."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from torch import Tensor
from tqdm import tqdm

from ..evaluation.evaluate import Renderer
from ..export.images.sheets import side_by_side, write_image
from ..protocols import Cameras, Step
from ..runs.monitor import Intervals
from ..stages.balance import REFERENCE, describe_shares
from .folder import RunFolder

INTERVALS = Intervals(preview=10.0)
WAITING = "{desc}: first step of {total_fmt} ..."  # it may take minutes: until it is done nobody knows how long
RESUMED = "{desc}: going on after step {n_fmt} of {total_fmt} ..."
RUNNING = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left{postfix}"
COLUMNS = 88
STOPPING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
Losses = dict[str, dict[str, list[tuple[int, float]]]]  # stage -> term -> (step, value)


class Interrupted(Exception):
    """Raised after Ctrl-C where the run can be resumed; its text says where, as in "Stopped in the fine stage"."""


def step_bar(name: str, first: int, steps: int, quiet: bool) -> tqdm:
    """Make a bar that is shown before the first step is done; `advance` moves it. Without a terminal it is drawn
    seldom."""
    every = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(
        total=steps, initial=first, desc=name, unit="step", mininterval=every, miniters=1, disable=quiet, ncols=COLUMNS,
        bar_format=RESUMED if first else WAITING,
    )


def advance(bar: tqdm) -> None:
    """Count one step: from the first on, seconds a step and the remaining time are known."""
    bar.bar_format = RUNNING
    bar.update(1)


class TerminalProgress:
    """The front end of a whole run on a terminal."""

    def __init__(self, folder: RunFolder, quiet: bool = False) -> None:
        self.folder, self.quiet = folder, quiet
        self.stop = False  # set by Ctrl-C, answered after the step
        notes = folder.read_notes()
        self.losses: Losses = notes.get("losses", {})
        self.seconds: dict[str, float] = notes.get("seconds", {})
        self._bar: tqdm | None = None
        self._shares: dict[str, float] = {}  # of picture and priors in the gradient
        self._last_step = 0  # of the stage that runs
        self._began = time.monotonic()

    @contextmanager
    def stage(self, name: str, first: int, steps: int) -> Iterator[None]:
        """Show one stage, which begins after `first` steps done earlier."""
        self._forget_after(name, first)
        self._began = time.monotonic() - (self.seconds.get(name, 0.0) if first else 0.0)
        self._bar = step_bar(name, first, steps, self.quiet)
        self._shares = {}
        try:
            yield
            if self._shares and not self.quiet:
                tqdm.write(f"{name}: {describe_shares(self._shares)} of the last gradients.", file=sys.stderr)
        finally:
            self._bar.close()
            self.seconds[name] = time.monotonic() - self._began

    def on_step(self, step: Step) -> None:
        """Log the losses and move the bar; stop here after a Ctrl-C."""
        if step.step <= self._last_step:  # the stage went back
            self._forget_after(step.stage, step.step - 1)
            if self._bar is not None:
                self._bar.n = step.step - 1
        self._last_step = step.step
        for name, value in step.losses.items():
            self.losses[step.stage].setdefault(name, []).append((step.step, value))
        if self._bar is not None:
            self._shares = step.gradient_shares
            short = {k: v for k, v in self._shares.items() if k == REFERENCE}  # the line has no room for all
            self._bar.set_postfix_str(describe_shares(short), refresh=False)
            advance(self._bar)
        self.check_stop(step.stage)

    def check_stop(self, stage: str) -> None:
        """Stop here after a Ctrl-C."""
        if self.stop:
            raise Interrupted(f"in the {stage} stage")

    def _forget_after(self, stage: str, step: int) -> None:
        """Drop the losses after a step that a stage goes on from: they are measured again."""
        terms = self.losses.get(stage, {})
        self.losses[stage] = {term: [p for p in points if p[0] <= step] for term, points in terms.items()}
        self._last_step = step

    def on_preview(self, step: Step) -> None:
        """Write the preview beside the unfinished results."""
        write_image(self.folder.preview, side_by_side(*step.preview().split(1)))

    def on_problem(self, message: str) -> None:
        """Tell it above the bar."""
        tqdm.write(message, file=sys.stderr)

    def notes(self, stage: str) -> dict[str, Any]:
        """Return the losses and seconds so far, those of this stage among them."""
        return {"seconds": {**self.seconds, stage: time.monotonic() - self._began}, "losses": self.losses}

    def stoppable(self, stage: str, renderer: Renderer) -> Renderer:
        """Evaluate with this renderer until somebody presses Ctrl-C: the stage itself is done and kept."""

        def render(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
            self.check_stop(stage)
            return renderer(cameras, time, size)

        return render


@contextmanager
def interruptible(front_end: Any) -> Iterator[None]:  # with an attribute `stop` that it answers after every step
    """Let the first Ctrl-C, or a request of the system to end, set `stop`; the second Ctrl-C stops at once."""

    def on_signal(number: int, frame: Any) -> None:
        front_end.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with suppress(OSError):  # the terminal is gone
            tqdm.write("Stopping after this step; what was done is kept. Press Ctrl-C again to stop at once.")

    caught = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]  # nohup ignores SIGHUP
    try:
        before = {number: signal.signal(number, on_signal) for number in caught}
    except ValueError:  # only the main thread receives signals
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def plain_interrupt_unless(resumable: Callable[[], bool]) -> Iterator[None]:
    """Turn Interrupted into KeyboardInterrupt where nothing could be kept to resume from, as on a full disk."""
    try:
        yield
    except Interrupted:
        if resumable():
            raise
        raise KeyboardInterrupt from None


@contextmanager
def interrupted_if(resumable: Callable[[], bool]) -> Iterator[None]:
    """Turn a Ctrl-C that stops at once into Interrupted where there is something to resume from."""
    try:
        yield
    except KeyboardInterrupt:
        if not resumable():
            raise
        raise Interrupted("at once, the last snapshot is kept") from None
