"""The demo on the device: seconds, memory and figures of each stage, and its contact sheet. No film is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from a124core.cli.args import parser
from a124core.cli.machine import peak_memory_mb
from a124core.cli.main import demo_run
from a124core.cli.outputs import write_contact
from a124core.cli.prepare import PreparedRun, prepare
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import evaluate, field_renderer, static_baseline
from a124core.protocols import Step
from a124core.utils.device import synchronize

from ..measure import fresh_peak
from .worker import Job, OutOfTime

SHEET = "contact.png"


def demo(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    """Run the stages of `python -m a124core demo` and grade them, until time is over."""
    began = time.monotonic()
    scale, graded = str(job.row.options["steps_scale"]), job.row.options["graded"]
    prepared = prepare(demo_run(parser().parse_args(["demo", "--device", job.device, "--steps-scale", scale])))
    eval_set = eval_set_of(prepared) if graded else None
    yield "preparing", time.monotonic() - began
    result = None
    for stage in prepared.stages:
        result, numbers = _stage(prepared, stage, result, until)
        if stage not in graded:
            yield stage, numbers
            continue
        renderer = field_renderer(result, job.device)
        start = time.monotonic()
        figures = evaluate(static_baseline(renderer) if stage == "static" else renderer, eval_set)
        yield stage, {**numbers, "evaluation": time.monotonic() - start, "figures": figures}
    yield "everything", time.monotonic() - began
    job.out.mkdir(parents=True, exist_ok=True)
    write_contact(job.out / SHEET, field_renderer(result, job.device), prepared)
    yield "contact sheet", SHEET


def _stage(prepared: PreparedRun, stage: str, start: Any, until: float) -> tuple[Any, dict[str, float]]:
    """Return the stage's field, and its steps, seconds and peak of memory."""
    device = prepared.options.device

    def on_step(step: Step) -> None:
        if time.monotonic() > until:
            raise OutOfTime(f"the {stage} stage was stopped after step {step.step} of {step.steps}")

    fresh_peak(device)
    synchronize(device)
    began = time.monotonic()
    result = run_stage(prepared, stage, start, on_step)
    synchronize(device)
    seconds = time.monotonic() - began
    steps = prepared.config(stage).steps
    return result, {"steps": steps, "seconds": seconds, "peak_memory_mb": peak_memory_mb(device)}
