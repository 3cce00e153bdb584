"""`--estimate`: a few real steps of each stage, and what all of them would take. Nothing is written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from ..field.field4d import Field4D
from ..protocols import Step
from ..utils.device import synchronize
from ..utils.text import format_duration
from .machine import peak_memory_mb
from .prepare import PreparedRun, RunOptions
from .run import memory_lines, prepare_aloud, run_stage

TRIAL_STEPS = 5  # steps of a stage: one that warms up, and four, of which one is a reference step, as released
FOG_STEPS = 60  # static steps before those where density is softplus: it begins as fog, which costs more


def estimate(options: RunOptions, say: Callable[[str], None]) -> None:
    """Say of each stage: steps, memory, seconds a step, minutes."""
    say("Trying a few steps of each stage, to see how long all of them take and how much memory ...")
    prepared, field, whole = prepare_aloud(options, say), None, 0.0
    for stage in prepared.stages:
        for line in memory_lines(prepared, stage):
            say(line)
        say(f"  trying {trial_steps(prepared, stage)} steps ...")
        field, each = time_trial(prepared, stage, field)
        steps, memory = prepared.config(stage).steps, peak_memory_mb(options.device)
        whole += each * steps
        peak = "" if memory is None else f"; so far the program has held at most {memory:.0f} MB"
        say(f"  measured: {each:.3g} s a step, about {format_duration(each * steps)} for {steps} steps{peak}")
    say(f"all stages: about {format_duration(whole)}; comparing, videos and pictures come on top. Nothing was written.")


def trial_steps(prepared: PreparedRun, stage: str) -> int:
    """Steps that are tried; more where the field begins as fog."""
    fog = stage == "static" and prepared.settings.field.density == "softplus"
    return TRIAL_STEPS + FOG_STEPS * fog


def time_trial(prepared: PreparedRun, stage: str, field: Field4D | None) -> tuple[Field4D, float]:
    """Run a few steps; return the field and the seconds of one. The first reference steps, which use no prior, are
    left out."""
    config = replace(prepared.config(stage), steps=trial_steps(prepared, stage), reference_first=0)
    short = replace(prepared, settings=replace(prepared.settings, **{stage: config}))
    ends: list[float] = []

    def on_step(step: Step) -> None:
        synchronize(prepared.options.device)
        ends.append(time.monotonic())

    field = run_stage(short, stage, field, on_step)
    return field, (ends[-1] - ends[-TRIAL_STEPS]) / (TRIAL_STEPS - 1)
