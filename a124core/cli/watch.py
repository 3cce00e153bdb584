"""What happens after every step: progress bar, losses, preview, snapshots, and a Ctrl-C that costs nothing."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from tqdm import tqdm

from ..evaluation.evaluate import Renderer
from ..export.images.sheets import side_by_side, write_image
from ..protocols import Cameras, Step
from .folder import Folder

SNAPSHOT_EVERY = 180.0  # seconds
PREVIEW_EVERY = 10.0  # seconds
WAITING = "{desc}: first step of {total_fmt} ..."  # it may take minutes: until it is done nobody knows how long
GOING_ON = "{desc}: going on after step {n_fmt} of {total_fmt} ..."
RUNNING = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt}, {rate_fmt}, {remaining} left{postfix}"
COLUMNS = 88
Losses = dict[str, dict[str, list[tuple[int, float]]]]  # stage -> term -> (step, value)


class Interrupted(Exception):
    """Raised after Ctrl-C where the run can be resumed; carries where it stopped, as in "Stopped in the fine stage"."""


def step_bar(name: str, first: int, steps: int, quiet: bool) -> tqdm:
    """A line that stands there before the first step is done; `advance` moves it. Seldom drawn where no terminal is."""
    every = 0.5 if sys.stderr.isatty() else 10.0
    return tqdm(
        total=steps, initial=first, desc=name, unit="step", mininterval=every, miniters=1, disable=quiet, ncols=COLUMNS,
        bar_format=GOING_ON if first else WAITING,
    )  # fmt: skip


def advance(bar: tqdm) -> None:
    """One step: from the first on, seconds a step and the time that is left are known."""
    bar.bar_format = RUNNING
    bar.update(1)


class Watch:
    """Follows one run; an instance is the on_step of its stages."""

    def __init__(self, folder: Folder, quiet: bool = False) -> None:
        self.folder = folder
        self.quiet = quiet
        self.stop = False  # set by Ctrl-C, answered after the step
        notes = folder.remembered()
        self.losses: Losses = notes.get("losses", {})
        self.seconds: dict[str, float] = notes.get("seconds", {})
        self._bar: tqdm | None = None
        self._start = self._snapshot = self._preview = time.monotonic()

    @contextmanager
    def stage(self, name: str, first: int, steps: int) -> Iterator[None]:
        """Around one stage, which begins after `first` steps done earlier."""
        self._keep_until(name, first)
        before = self.seconds.get(name, 0.0) if first else 0.0
        self._before, self._start = before, time.monotonic()
        self._snapshot = self._preview = self._start
        self._bar = step_bar(name, first, steps, self.quiet)
        try:
            yield
        finally:
            self._bar.close()
            self.seconds[name] = before + time.monotonic() - self._start

    def grading(self, stage: str, result: Renderer) -> Renderer:
        """The result as pictures, for as long as nobody presses Ctrl-C: the stage itself is done and kept."""

        def watched(cameras: Cameras, time: Tensor, size: int) -> tuple[Tensor, Tensor]:
            if self.stop:
                raise Interrupted(f"in the {stage} stage")
            return result(cameras, time, size)

        return watched

    def _keep_until(self, stage: str, step: int) -> None:
        """Losses after the snapshot that a stage continues from are measured again."""
        terms = self.losses.get(stage, {})
        self.losses[stage] = {name: [p for p in points if p[0] <= step] for name, points in terms.items()}

    def __call__(self, step: Step) -> None:
        for name, value in step.losses.items():
            self.losses[step.stage].setdefault(name, []).append((step.step, value))
        if self._bar is not None:
            advance(self._bar)
        now = time.monotonic()
        if self.stop:
            self._save(step)
            raise Interrupted(f"in the {step.stage} stage")
        try:
            self._look_after(step, now)
        except OSError as error:  # a full disk must not end a run that still has hours to find room
            tqdm.write(f"A snapshot or preview could not be written, the run goes on: {error}", file=sys.stderr)
            self._snapshot = self._preview = time.monotonic()

    def _look_after(self, step: Step, now: float) -> None:
        if now - self._snapshot > SNAPSHOT_EVERY and step.step < step.steps:
            self._save(step)
        if now - self._preview > PREVIEW_EVERY:
            write_image(self.folder.preview, side_by_side(*step.preview().split(1)))
            self._preview = time.monotonic()

    def _save(self, step: Step) -> None:
        self.seconds[step.stage] = self._before + time.monotonic() - self._start
        self.folder.save(step.snapshot())
        self.folder.remember(self.notes())
        self._snapshot = time.monotonic()

    def notes(self) -> dict[str, Any]:
        return {"seconds": self.seconds, "losses": self.losses}


@contextmanager
def interruptible(
    watch: Any,  # whatever looks after every step whether its `stop` is set
) -> Iterator[None]:
    """The first Ctrl-C asks the watch to stop after this step, the second stops at once."""

    def asked(number: int, frame: Any) -> None:
        watch.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        tqdm.write("Stopping after this step; what was done is kept. Press Ctrl-C again to stop at once.")

    try:
        before = signal.signal(signal.SIGINT, asked)
    except ValueError:  # only the main thread hears signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def at_once(resumable: Callable[[], bool]) -> Iterator[None]:
    """A Ctrl-C that is not waited for: Interrupted where there is something to go on from, else it passes."""
    try:
        yield
    except KeyboardInterrupt:
        if not resumable():
            raise
        raise Interrupted("at once, the last snapshot is kept") from None
