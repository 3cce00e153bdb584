"""The one optimisation loop. It writes no file and prints nothing; a cancel is an exception out of on_step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field

import torch
from torch import Tensor

from ..cameras.rig import make_cameras
from ..field.field4d import Field4D
from ..field.occupancy import OccupancyMask, empty_occupancy, update_occupancy
from ..protocols import Cameras, Run, Step
from ..render.clip import ImageOptions, render_clip
from . import snapshot as snapshots
from .config import RenderConfig, StageConfig
from .gradients import backward, gradient_norms
from .optimizer import adam_step, new_optimiser, temporal_tv
from .render_batch import BatchFn, RenderBatch
from .schedules import entropy_factor, masked_levels
from .snapshot import Snapshot

STAGES = ("static", "coarse", "fine")
EMPTY, FULL = 0.001, 0.995  # mean opacity of a whole clip beyond which nothing can be learned any more
PATIENCE = 20  # steps in a row that may be that empty or full
PREVIEW_SIZE = 128  # pixels a side
PREVIEW_STEPS = 256  # ray marching steps across the cube, at most


@dataclass
class _State:
    """A stage in progress."""

    field: Field4D
    optimiser: torch.optim.Adam
    rng: torch.Generator
    mask: OccupancyMask
    batches: list[RenderBatch] = dataclass_field(default_factory=list)  # of the last step
    collapsed_steps: int = 0  # steps in a row with empty or full images
    updated_step: int = 0  # the step whose update of the field has begun


class FieldLostError(RuntimeError):
    """The numbers or the object are lost: the last steps are not worth keeping."""


def optimise_field(
    stage: str,
    field: Field4D,  # is forked: the caller's stays as it is
    config: StageConfig,
    batch_fn: BatchFn,
    camera: Cameras,  # the one that previews look from
    run: Run,
) -> Field4D:  # on the CPU
    """Run config.steps steps: render the batches, take their losses, step Adam; keep the occupancy fresh."""
    state = _initial_state(stage, field, config, run)
    first = 1
    if run.resume is not None:
        state.field = snapshots.restore(run.resume, stage, run.seed, state.field, state.optimiser, state.rng, config)
        first = run.resume.step + 1
    state.mask = state.field.occupancy.mask()
    for step in range(first, config.steps + 1):
        losses = _one_step(state, step, config, batch_fn, stage)
        if run.on_step is not None:
            run.on_step(_report(state, stage, step, config, losses, run.seed, camera))
    return state.field.at_rest()


def _initial_state(stage: str, field: Field4D, config: StageConfig, run: Run) -> _State:
    """Fork the field, give it an optimiser and its own random numbers."""
    r = config.render
    if field.occupancy is None:
        slices = r.occupancy_slices if field.table.shape[0] > 1 else 1
        field = replace(field, occupancy=empty_occupancy(r.occupancy_size, slices, r.occupancy_threshold))
    field = field.fork(run.device)
    rng = torch.Generator().manual_seed(run.seed * len(STAGES) + STAGES.index(stage))
    return _State(field, new_optimiser(field, config.optim), rng, field.occupancy.mask())


def _one_step(state: _State, step: int, config: StageConfig, batch_fn: BatchFn, stage: str) -> dict[str, float]:
    if (step - 1) % config.render.occupancy_every == 0:
        occupancy = update_occupancy(state.field.occupancy, state.field, config.render.occupancy_decay, state.rng)
        state.field = replace(state.field, occupancy=occupancy)
        state.mask = occupancy.mask()
    masked = min(masked_levels(step, config), state.field.config.levels // 2)
    state.field = replace(state.field, masked_levels=masked)
    state.optimiser.zero_grad(set_to_none=True)
    losses: dict[str, float] = {}
    opacities = []
    state.batches = batch_fn(step, state.rng)
    factor = entropy_factor(step, config)
    for batch in state.batches:
        terms, opacity = backward(state.field, batch, state.mask, config.render, config.losses, factor)
        opacities.append(opacity)
        losses = {name: losses.get(name, 0.0) + terms.get(name, 0.0) for name in losses | terms}
    losses |= temporal_tv(state.field, config.losses, state.rng)
    _check_health(state, losses, opacities, step, stage)
    state.updated_step = step
    adam_step(state.optimiser, state.field, config, step)
    return losses


def _check_health(state: _State, losses: dict[str, float], opacities: list[float], step: int, stage: str) -> None:
    """Stop with advice when the numbers or the object are lost."""
    bad = [name for name, value in losses.items() if not math.isfinite(value)]
    if bad:
        raise FieldLostError(
            f"{stage} step {step}: {', '.join(bad)} is not a number any more. Lower the guidance weights; if a prior "
            "runs in half precision, use bf16 or full precision. Then run the stage again."
        )
    mean = sum(opacities) / len(opacities) if opacities else 0.5
    state.collapsed_steps = state.collapsed_steps + 1 if mean < EMPTY or mean > FULL else 0
    if state.collapsed_steps >= PATIENCE:
        reason = "empty: nothing is left to see" if mean < EMPTY else "full: density fills every image"
        raise FieldLostError(
            f"{stage} step {step}: the field collapsed and is {reason}. Check the mask's polarity and that the "
            "subject is no drawing of thin lines, lower the guidance weights, or raise the weight of the view "
            "guidance, then run the stage again (with resume = restart)."
        )


def _report(
    state: _State, stage: str, step: int, config: StageConfig, losses: dict[str, float], seed: int, camera: Cameras
) -> Step:
    def preview() -> Tensor:
        return preview_images(state.field, camera, step / config.steps, config.render)

    field, rng_state = state.field, state.rng.get_state()  # a later step that fails half-way has drawn numbers already

    def snapshot() -> Snapshot:
        if state.updated_step != step:
            raise RuntimeError(f"{stage} step {state.updated_step} was stopped in the middle of its update.")
        return snapshots.take(stage, step, seed, field, state.optimiser, rng_state, config)

    def norms() -> dict[str, float]:
        rng_state = state.rng.get_state()  # a diagnosis must not change what comes after
        total: dict[str, float] = {}
        for batch in state.batches:
            factor = entropy_factor(step, config)
            one = gradient_norms(state.field, batch, state.mask, config.render, config.losses, factor)
            total = {name: (total.get(name, 0.0) ** 2 + one.get(name, 0.0) ** 2) ** 0.5 for name in total | one}
        state.rng.set_state(rng_state)
        return total

    return Step(stage, step, config.steps, losses, preview, snapshot, norms)


def preview_images(field: Field4D, reference: Cameras, progress: float, config: RenderConfig) -> Tensor:
    """Render (2, 3, S, S): the reference view and a novel view. Both move through time, the second also around."""
    time = (progress * 8.0) % 1.0 if field.table.shape[0] > 1 else 0.0
    azimuth = [float(reference.azimuth[0]), float(reference.azimuth[0]) + 360.0 * ((progress * 3.0) % 1.0)]
    elevation = [float(reference.elevation[0]), 15.0]
    cameras = make_cameras(elevation, azimuth, float(reference.radius[0]), float(reference.fovy[0]))
    size = min(PREVIEW_SIZE, 2 * config.size)
    samples = min(config.samples, PREVIEW_STEPS)
    return render_clip(field, cameras, torch.full((2,), time), ImageOptions(size, n_steps=samples, normals=False)).image
