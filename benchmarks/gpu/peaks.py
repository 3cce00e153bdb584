"""Peaks of memory and seconds a step of each stage under each value of `memory`, with priors that compute nothing: the
field's part of a run, which a124core/runs/memory.py estimates. Models come on top."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from a124core.cli.machine import peak_memory_mb
from a124core.cli.prepare import PreparedRun, RunOptions
from a124core.cli.run import run_stage
from a124core.priors.builtin import example_image
from a124core.priors.noise import scaled_linear_sigmas
from a124core.protocols import Guidance, Guidances, Prior, Step, View
from a124core.reference.reference import make_reference
from a124core.runs.memory import estimate_memory, kernels_on
from a124core.stages.loop import STAGES
from a124core.stages.presets import MEMORY, preset, with_memory
from a124core.utils.device import synchronize

from ..measure import fresh_peak
from .worker import Job, OutOfTime

WARM_UP = 2  # steps that are not timed
FEEBLE = 1e-9  # weight of the guidances: the scene stays the blob that it begins as, which the estimate counts


@dataclass
class GreyPrior(Prior):
    """Every image is grey."""

    clip: bool = False
    sigmas = scaled_linear_sigmas()

    def encode(self, image: Tensor) -> Tensor:
        return image.transpose(0, 1)[None] if self.clip else image

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return torch.full_like(x_t, 0.5)


def peaks(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    """Run some steps of each stage under each value of `memory`; where memory runs out, that is the result."""
    options = job.row.options
    yield "steps", options["steps"]
    for memory in MEMORY:
        prepared, result = _prepared(options["preset"], memory, job.device, options["steps"]), None
        for stage in STAGES:
            try:
                result, numbers = _stage(prepared, stage, result, until)
            except RuntimeError as error:
                if "out of memory" not in str(error):
                    raise
                yield f"{memory}, {stage}", {"problem": "out of memory"}
                break  # the next stage begins with this one's field, and needs more
            whole = getattr(preset(options["preset"]), stage).steps
            yield f"{memory}, {stage}", {**numbers, "stage_steps": whole}


def _prepared(name: str, memory: str, device: str, steps: int) -> PreparedRun:
    """Some steps of every stage, without the opening ones that use no prior, on all levels of the grid."""
    image, mask = example_image("panda")
    reference = make_reference(image, mask, mask_marks="subject")
    settings = preset(name)
    short = {"steps": steps, "reference_first": 0}
    stages = {stage: replace(with_memory(getattr(settings, stage), memory), **short) for stage in STAGES}
    settings = replace(settings, **stages | {"static": replace(stages["static"], masked_levels=0)})
    still, clip = (Guidance(GreyPrior(clip), FEEBLE, 0.02, 0.98) for clip in (False, True))
    guidances = Guidances(image=still, view=still, video=clip, refine=still)
    options = RunOptions(reference, "a panda is dancing", preset=name, memory=memory, device=device)
    return PreparedRun(options, None, guidances, settings)


def _stage(prepared: PreparedRun, stage: str, start: Any, until: float) -> tuple[Any, dict[str, Any]]:
    """Return the stage's field, its peaks of memory beside the estimate, and the seconds of a step."""
    device, ends = prepared.options.device, []

    def on_step(step: Step) -> None:
        synchronize(device)
        ends.append(time.monotonic())
        if ends[-1] > until:
            raise OutOfTime(f"{prepared.options.memory}, {stage} was stopped after step {step.step} of {step.steps}")

    fresh_peak(device)
    result = run_stage(prepared, stage, start, on_step)
    field, config = prepared.settings.field, prepared.config(stage)
    estimate = estimate_memory(field, config, prepared.stage_guidances(stage), kernels_on(device))
    counted = ends[min(WARM_UP, len(ends) - 1) - 1 :]
    allocated = torch.cuda.max_memory_allocated() if torch.device(device).type == "cuda" else None
    return result, {
        "peak_reserved_mb": peak_memory_mb(device),
        "peak_allocated_mb": None if allocated is None else allocated / 2**20,
        "estimated_mb": estimate.total / 2**20,
        "seconds_a_step": (counted[-1] - counted[0]) / max(1, len(counted) - 1),
    }
