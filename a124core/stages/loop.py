"""The one optimisation loop. It writes no file and prints nothing; a cancel is an exception out of on_step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..cameras.rig import make_cameras
from ..field.field4d import Field4D
from ..field.occupancy import empty_occupancy, update_occupancy
from ..protocols import Cameras, OnStep, Step
from ..render.clip import render_clip
from ..render.render import occupancy_mask
from ..render.sample import OccupancyMask
from . import snapshot as snapshots
from .config import StageConfig
from .gradients import backward, gradient_norms
from .optimizer import adam_step, new_optimiser, time_tv
from .render_batch import RenderBatch
from .schedules import entropy_factor, masked_levels
from .snapshot import Snapshot

STAGES = ("static", "coarse", "fine")
EMPTY, FULL = 0.001, 0.995  # mean opacity of a whole clip beyond which nothing can be learned any more
PATIENCE = 20  # steps in a row that may look so
PREVIEW_SIZE = 128

BatchFn = Callable[[int, torch.Generator], list[RenderBatch]]  # step -> what it looks at


@dataclass
class _Run:
    """A stage in progress."""

    field: Field4D
    optimiser: torch.optim.Adam
    rng: torch.Generator
    space: OccupancyMask
    shots: list[RenderBatch] | None = None  # of the last step
    strange: int = 0  # steps in a row with an empty or a full picture
    updated: int = 0  # the step whose update of the field has begun


class FieldLostError(RuntimeError):
    """Numbers or the object are lost: the last steps are not worth keeping."""


def optimise(
    stage: str,
    field: Field4D,  # is forked: the caller's stays as it is
    config: StageConfig,
    shots: BatchFn,
    reference: Cameras,  # where previews look from
    seed: int,
    on_step: OnStep | None,
    resume: Snapshot | None,
    device: torch.device | str,
) -> Field4D:  # on the CPU
    """Run config.steps steps: render what shots asks for, let it be judged, step Adam; keep the occupancy fresh."""
    run = _begin(stage, field, config, seed, device)
    first = 1
    if resume is not None:
        run.field = snapshots.restore(resume, stage, seed, run.field, run.optimiser, run.rng, config)
        first = resume.step + 1
    run.space = occupancy_mask(run.field.occupancy)
    for step in range(first, config.steps + 1):
        losses = _one_step(run, step, config, shots, stage)
        if on_step is not None:
            on_step(_report(run, stage, step, config, losses, seed, reference))
    return run.field.at_rest()


def _begin(stage: str, field: Field4D, config: StageConfig, seed: int, device: torch.device | str) -> _Run:
    """Fork the field, give it an optimiser and its own random numbers."""
    r = config.render
    if field.occupancy is None:
        field = replace(
            field, occupancy=empty_occupancy(r.occupancy_size, _slices(field, config), r.occupancy_threshold)
        )
    field = field.fork(device)
    rng = torch.Generator().manual_seed(seed * len(STAGES) + STAGES.index(stage))
    return _Run(field, new_optimiser(field, config.optim), rng, occupancy_mask(field.occupancy))


def _slices(field: Field4D, config: StageConfig) -> int:
    return config.render.occupancy_slices if field.table.shape[0] > 1 else 1


def _one_step(run: _Run, step: int, config: StageConfig, shots: BatchFn, stage: str) -> dict[str, float]:
    if (step - 1) % config.render.occupancy_every == 0:
        occupancy = update_occupancy(run.field.occupancy, run.field, config.render.occupancy_decay, run.rng)
        run.field = replace(run.field, occupancy=occupancy)
        run.space = occupancy_mask(occupancy)
    silent = min(masked_levels(step, config), run.field.config.levels // 2)
    run.field = replace(run.field, masked_levels=silent)
    run.optimiser.zero_grad(set_to_none=True)
    report: dict[str, float] = {}
    opacity = []
    run.shots = shots(step, run.rng)
    for shot in run.shots:
        ramp = entropy_factor(step, config)
        found, seen = backward(run.field, shot, run.space, config.render, config.losses, ramp)
        opacity.append(seen)
        report = {name: report.get(name, 0.0) + found.get(name, 0.0) for name in report | found}
    report |= time_tv(run.field, config.losses, run.rng)
    _guard(run, report, opacity, step, stage)
    run.updated = step
    adam_step(run.optimiser, run.field, config, step)
    return report


def _guard(run: _Run, report: dict[str, float], opacity: list[float], step: int, stage: str) -> None:
    """Stop with advice when numbers are lost or the object is."""
    bad = [name for name, value in report.items() if not math.isfinite(value)]
    if bad:
        raise FieldLostError(
            f"{stage} step {step}: {', '.join(bad)} is not a number any more. Lower the guidance weights; if a prior "
            "runs in half precision, use bf16 or full precision. Then run the stage again."
        )
    mean = sum(opacity) / len(opacity) if opacity else 0.5
    run.strange = run.strange + 1 if mean < EMPTY or mean > FULL else 0
    if run.strange >= PATIENCE:
        what = "empty: nothing is left to see" if mean < EMPTY else "full: density fills every picture"
        raise FieldLostError(
            f"{stage} step {step}: the field collapsed and is {what}. Check the mask's polarity, lower the guidance "
            "weights, or raise the weight of the view guidance, then run the stage again (with resume = restart)."
        )


def _report(
    run: _Run, stage: str, step: int, config: StageConfig, losses: dict[str, float], seed: int, reference: Cameras
) -> Step:
    def preview() -> Tensor:
        return preview_images(run.field, reference, step / config.steps, config.render)

    field, rng_state = run.field, run.rng.get_state()  # a later step that fails half-way has already drawn numbers

    def snapshot() -> Snapshot:
        if run.updated != step:
            raise RuntimeError(f"{stage} step {run.updated} was stopped in the middle of its update.")
        return snapshots.take(stage, step, seed, field, run.optimiser, rng_state, config)

    def norms() -> dict[str, float]:
        state = run.rng.get_state()  # asking must not change what comes after
        found: dict[str, float] = {}
        for shot in run.shots or []:
            ramp = entropy_factor(step, config)
            one = gradient_norms(run.field, shot, run.space, config.render, config.losses, ramp)
            found = {name: (found.get(name, 0.0) ** 2 + one.get(name, 0.0) ** 2) ** 0.5 for name in found | one}
        run.rng.set_state(state)
        return found

    return Step(stage, step, config.steps, losses, preview, snapshot, norms)


def preview_images(field: Field4D, reference: Cameras, progress: float, render: object) -> Tensor:
    """(2, 3, S, S): the reference view and a novel view; both walk through time, the second also around the object."""
    moment = (progress * 8.0) % 1.0 if field.table.shape[0] > 1 else 0.0
    azimuth = [float(reference.azimuth[0]), float(reference.azimuth[0]) + 360.0 * ((progress * 3.0) % 1.0)]
    elevation = [float(reference.elevation[0]), 15.0]
    cameras = make_cameras(elevation, azimuth, float(reference.radius[0]), float(reference.fovy[0]))
    size = min(PREVIEW_SIZE, 2 * render.size)
    time = torch.full((2,), moment)
    return render_clip(field, cameras, time, size, samples=min(render.samples, 256), normals=False).image
