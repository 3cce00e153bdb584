"""What the three optimizers share: widgets, presets, memory, and a run that can be watched, cancelled and resumed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from ..a124core.field.field4d import Field4D
from ..a124core.protocols import Guidance, OnStep, Step
from ..a124core.stages.config import Preset, StageConfig, with_steps
from ..a124core.stages.loop import FieldLostError
from ..a124core.stages.presets import MEMORY, PRESETS, auto_preset, preset, with_memory
from ..a124core.stages.snapshot import Snapshot
from . import bridge
from .identity import identity
from .keep import Keep

PREVIEW_SECONDS = 3.0
PREVIEW_SHARE = 20.0  # a preview may cost one part in this many of the time
SNAPSHOT_SECONDS = 180.0
TIMED_STEPS = 10  # steps after which the node says how long it will take

HIDDEN = {"prompt": "PROMPT", "unique_id": "UNIQUE_ID"}
Optimise = Callable[[OnStep, Snapshot | None], Field4D]


def widgets() -> dict[str, tuple]:
    """The five widgets, in their final order. New ones are appended after them, never before."""
    return {
        "preset": (list(PRESETS), {"default": "auto", "tooltip": (
            "The recipe. auto: demo when every connected guidance is built-in, else draft. demo: minutes on a CPU. "
            "draft: minutes on a GPU. released: the authors' numbers. paper: the printed numbers."
        )}),
        "memory": (["auto", *MEMORY], {"default": "auto", "tooltip": (
            "How much of a picture is rendered at once. low needs least memory and takes longest; "
            "the result is the same. auto: everything for small pictures, else balanced."
        )}),
        "steps": ("INT", {"default": 0, "min": 0, "max": 1_000_000, "tooltip": (
            "Steps of optimisation. 0: as many as the preset says."
        )}),
        "seed": ("INT", {
            "default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": False,
            "tooltip": "Same seed, same result. It stays as it is after a run, so that a second Queue costs nothing.",
        }),
        "resume": (["auto", "restart"], {"default": "auto", "tooltip": (
            "auto: go on from the snapshot of an interrupted run with the same inputs, or take its finished result. "
            "restart: forget both and begin again."
        )}),
    }  # fmt: skip


def chosen_preset(name: str, guidances: list[Guidance | None]) -> Preset:
    """The preset's numbers; auto looks at what is connected."""
    return preset(auto_preset(guidances) if name == "auto" else name)


def adjusted(config: StageConfig, steps: int, memory: str) -> StageConfig:
    """The preset's stage with the widgets' steps and memory."""
    config = with_memory(config, memory)
    return with_steps(config, steps) if steps > 0 else config


def run(
    stage: str,
    optimise: Optimise,
    config: StageConfig,
    reference: Any,
    inputs: dict[str, Any],  # everything the result depends on, used where the host shows no graph
    resume: str,
    prompt: dict | None = None,
    unique_id: str | None = None,
) -> Field4D:
    """Take the finished result of the same inputs, or go on from their snapshot, or begin."""
    name = f"{stage}-{identity(prompt, unique_id, stage, reference, inputs)}"
    keep = Keep(bridge.output_folder() / "snapshots" / name)
    if resume == "restart":
        keep.clear()
    elif (done := keep.finished()) is not None:
        bridge.say(unique_id, f"Found the finished result of an earlier run.\n{keep.used()}")
        return done
    start = _same_memory(keep.newest(), config)
    watch = Watch(config.steps, 0 if start is None else start.step, keep, unique_id)
    with models_at_hand(inputs.get("guidances", [])):
        try:
            field = optimise(watch.on_step, start)
        except FieldLostError:  # a snapshot of it would only be lost again
            raise
        except BaseException:  # cancelled, out of memory, Ctrl-C: the last good step must survive
            watch.save_last()
            raise
    problem = keep.finish(field)
    bridge.say(unique_id, f"{watch.summary()}\n{problem or keep.used()}")
    return field


@contextmanager
def models_at_hand(guidances: list[Guidance | None]) -> Iterator[None]:
    """Room on the accelerator for a run. Priors that ask models of the host's let go of them, however the run ends."""
    priors = [g.prior for g in guidances if g is not None and hasattr(g.prior, "close")]
    bridge.make_room([model for prior in priors for model in prior.models()])
    try:
        yield
    finally:
        for prior in priors:
            prior.close()


def _same_memory(snapshot: Snapshot | None, config: StageConfig) -> Snapshot | None:
    """memory changes how a result is reached, not the result: a run may go on with another one."""
    if snapshot is None:
        return None
    kept = snapshot.meta["config"]
    render = {**kept["render"], "chunk": asdict(config)["render"]["chunk"]}
    return replace(snapshot, meta={**snapshot.meta, "config": {**kept, "render": render}})


class Watch:
    """Follows a run: progress, preview, expected time, snapshots, cancel."""

    def __init__(self, steps: int, done_before: int, keep: Keep, node_id: str | None) -> None:
        self.steps, self.first, self.keep, self.node_id = steps, done_before, keep, node_id
        self.report = bridge.progress(steps, node_id)
        self.started = self.previewed = self.saved = time.monotonic()
        self.preview_every = PREVIEW_SECONDS
        self.last: Step | None = None
        if done_before:
            bridge.say(node_id, f"Going on from step {done_before} of {steps}.")

    def on_step(self, step: Step) -> None:
        """Called by the stage after every step; raises the host's exception on cancel."""
        self.last = step
        bridge.stop_if_cancelled()
        now = time.monotonic()
        picture = self._preview(step) if now - self.previewed >= self.preview_every else None
        self.report(step.step, picture)
        if step.step - self.first == TIMED_STEPS or picture is not None:
            bridge.say(self.node_id, self._pace(step.step))
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
                bridge.say(self.node_id, problem)
        self.saved = time.monotonic()

    def summary(self) -> str:
        """One line when all is done."""
        return f"{self.steps} steps, {_duration(time.monotonic() - self.started)}."

    def _preview(self, step: Step) -> Any:
        begun = time.monotonic()
        picture = bridge.to_picture(step.preview())
        self.previewed = time.monotonic()
        self.preview_every = max(PREVIEW_SECONDS, PREVIEW_SHARE * (self.previewed - begun))
        return picture

    def _pace(self, done: int) -> str:
        per_step = (time.monotonic() - self.started) / max(done - self.first, 1)
        left, whole = per_step * (self.steps - done), per_step * self.steps
        return f"Step {done} of {self.steps}: about {_duration(left)} left, {_duration(whole)} in all."


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 36 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.1f} days"
