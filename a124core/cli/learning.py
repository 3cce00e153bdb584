"""What `invert` and `dreambooth` have in common: an interrupted run beside the file, progress, and how they end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from ..export.images.sheets import side_by_side, write_image
from ..inversion.steps import LearnRun, LearnStep
from ..runs.memory import MemoryEstimate, shortfall
from ..runs.monitor import Intervals, RunMonitor
from ..runs.store import FileFormat, RunStore, save_elsewhere
from ..utils.device import is_out_of_memory
from .progress import COLUMNS, Interrupted, advance, interruptible, plain_interrupt_unless

INTERVALS = Intervals(preview=10.0, preview_last=True)
SUFFIX = ".safetensors"
Learned = TypeVar("Learned")


def check_suffix(out: Path, name: str) -> None:
    """Refuse a file that would not be found by its ending."""
    if out.suffix != SUFFIX:
        raise ValueError(f"--out is {out}: the {name}'s file must end in {SUFFIX}.")


def say(line: str) -> None:
    print(line, flush=True)


def preview_file(out: Path) -> Path:
    return out.with_name(f"{out.stem}.preview.png")


def progress_store(out: Path, format: FileFormat) -> RunStore:
    """Return the store of the one snapshot beside the file."""
    return RunStore(out.parent, (f"{out.stem}.progress",), format)


def snapshot_file(store: RunStore) -> Path:
    return store.folder / store.slots[0]


def resumed_snapshot(store: RunStore, resume: bool) -> Any | None:
    """Continue what an interrupted run left, or leave it alone."""
    state = snapshot_file(store)
    if resume and not state.is_file():
        raise ValueError(f"{state} is not there, so nothing was interrupted: leave out --resume.")
    if not resume and state.is_file():
        raise ValueError(
            f"an interrupted run is kept in {state}: add --resume to continue it, delete the file to begin again, or "
            "choose another --out."
        )
    snapshot = store.newest() if resume else None  # of a later release: refused there
    if resume and snapshot is None:
        raise ValueError(f"{state} is damaged: delete it to begin again, without --resume.")
    return snapshot


def memory_lines(work: str, networks: int, device: str) -> list[str]:
    """Say the work and the estimated memory; a second line if that is more than there is. What is learned, its gradient
    and its moments are small beside the networks."""
    estimate = MemoryEstimate(field=0, auxiliary=0, networks=networks, transient=0)
    lack = shortfall(estimate, device, "choose a smaller model or another --device")
    return [line for line in (f"{work}, {estimate.line()}.", lack) if line is not None]


def learn(
    run: Callable[[LearnRun], Learned],
    seed: int,
    progress: LearnProgress,
    store: RunStore,
    snapshot: Any | None,
    less_memory: Callable[[bool], str],  # whether it can be resumed -> advice
) -> Learned:
    """Run the steps; whatever ends the run early, its last whole step is kept."""
    monitor = RunMonitor(progress, lambda step: store.save(step.snapshot()), INTERVALS)
    try:
        with plain_interrupt_unless(lambda: store.newest() is not None), interruptible(progress):
            with monitor.saving_on_error():
                return run(LearnRun(seed, monitor.on_step, snapshot))
    except BaseException as error:
        if not is_out_of_memory(error):
            raise
        raise RuntimeError(less_memory(monitor.last is not None or snapshot is not None)) from error


def finish(store: RunStore, out: Path, result: Any, notes: dict[str, str], name: str) -> None:
    """Write the result; where that fails, into the system's folder for temporary files, and OSError names it."""
    try:
        return store.finish(out.name, result, notes)
    except OSError as error:
        place = save_elsewhere(store.format, out.name, result, notes)
        raise OSError(f"{str(error).rstrip('.')}; the {name} is learned and was saved in {place}.") from error


class LearnProgress:
    """The front end of learning on a terminal."""

    def __init__(self, bar: tqdm, preview: Path) -> None:
        self.bar, self.preview = bar, preview
        self.stop = False  # set by Ctrl-C, answered after the step
        self._making: tqdm | None = None

    def on_images(self, done: int, total: int, text: str) -> None:
        """Show how far the images are that are made before the first step; stop here after a Ctrl-C."""
        if self._making is None:
            self._making = tqdm(total=total, desc="images", unit="step", disable=self.bar.disable, ncols=COLUMNS)
        self._making.set_postfix_str(text, refresh=False)
        self._making.update(done - self._making.n)
        if done == total:
            self._making.close()
            self._making = None
        if self.stop:
            raise Interrupted("before the first step")

    def on_step(self, step: LearnStep) -> None:
        """Move the bar; stop here after a Ctrl-C."""
        self.bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
        advance(self.bar)
        if self.stop:
            raise Interrupted("after this step")

    def on_preview(self, step: LearnStep) -> None:
        """Write a training image and what the model makes of it."""
        write_image(self.preview, side_by_side(*step.preview().split(1)))

    def on_problem(self, message: str) -> None:
        """Tell it above the bar."""
        self.bar.write(message, file=sys.stderr)
