"""The one optimisation loop. It writes no file and prints nothing; a cancel is an exception out of on_step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field

import torch
from torch import Tensor

from ..cameras.rig import make_cameras
from ..field.field4d import Field4D
from ..field.occupancy import OccupancyMask, empty_occupancy, update_occupancy
from ..priors.checked import check_gradients
from ..protocols import Cameras, FieldExplodedError, FieldLostError, Guidances, Run, Step
from ..render.clip import ImageOptions, render_clip
from . import snapshot as snapshots
from .balance import Balance
from .config import RenderConfig, StageConfig
from .gradients import backward
from .health import Health
from .optimizer import adam_step, is_slowed, new_optimiser, slow_down, temporal_tv
from .render_batch import BatchFn
from .schedules import entropy_factor, masked_levels
from .snapshot import Snapshot

STAGES = ("static", "coarse", "fine")
PREVIEW_SIZE = 128  # pixels a side
PREVIEW_STEPS = 256  # ray marching steps across the cube, at most


@dataclass
class _State:
    """A stage in progress."""

    field: Field4D
    optimiser: torch.optim.Adam
    rng: torch.Generator
    seed: int
    mask: OccupancyMask
    health: Health
    balance: Balance
    updated_step: int = 0  # the step whose update of the field has begun
    notes: list[str] = dataclass_field(default_factory=list)  # sentences for the user since the last report


def optimise_field(
    stage: str,
    field: Field4D,  # is forked: the caller's stays as it is
    config: StageConfig,
    batch_fn: BatchFn,
    guidances: Guidances,  # whose priors batch_fn queries, checked
    camera: Cameras,  # the one that previews look from
    run: Run,
) -> Field4D:  # on the CPU
    """Run config.steps steps: render the batches, take their losses, step Adam; keep the occupancy fresh."""
    state = _initial_state(stage, field, config, run)
    state.balance.warns = any(not guidance.prior.exact for guidance in guidances)
    if run.resume is not None:
        _restore(state, run.resume, config)
    step = state.updated_step + 1
    while step <= config.steps:
        try:
            losses = _one_step(state, step, config, batch_fn, guidances)
        except FieldExplodedError as lost:
            state.notes.append(_roll_back(state, field, config, run, lost))
            step = state.updated_step + 1
            continue
        if run.on_step is not None:
            run.on_step(_report(state, step, config, losses, camera))
        state.notes.clear()
        step += 1
    return state.field.at_rest()


def _restore(state: _State, snapshot: Snapshot, config: StageConfig) -> None:
    """Put what a snapshot holds into the state."""
    stage, seed = state.health.stage, state.seed
    state.field = snapshots.restore(snapshot, stage, seed, state.field, state.optimiser, state.rng, config)
    state.mask = state.field.occupancy.mask()
    state.updated_step = snapshot.step


def _roll_back(state: _State, start: Field4D, config: StageConfig, run: Run, lost: FieldExplodedError) -> str:
    """Go back to before the field was lost, with lower learning rates -> a sentence for the user; at the second time
    raise what was lost."""
    if is_slowed(state.optimiser, config.optim):
        raise FieldLostError(f"{lost.reason}, also with a tenth of the learning rates", lost.advice) from lost
    snapshot = _healthy_snapshot(state.health, start, config, run)
    _restore(state, snapshot, config)
    slow_down(state.optimiser)
    state.health = Health(state.health.stage)
    return f"{lost.reason}: the stage goes on after step {snapshot.step} with a tenth of its learning rates."


def _healthy_snapshot(health: Health, start: Field4D, config: StageConfig, run: Run) -> Snapshot:
    """Return the newest snapshot from before the field was lost; without one, the beginning of the stage."""
    saved = None if run.saved is None else run.saved(health.healthy_step)
    if saved is None and run.resume is not None and run.resume.step <= health.healthy_step:
        saved = run.resume
    if saved is not None:
        return saved
    begun = _initial_state(health.stage, start, config, replace(run, device="cpu"))
    return snapshots.take(health.stage, 0, run.seed, begun.field, begun.optimiser, begun.rng.get_state(), config)


def _initial_state(stage: str, field: Field4D, config: StageConfig, run: Run) -> _State:
    """Fork the field, give it an optimiser and its own random numbers."""
    r = config.render
    if field.occupancy is None:
        slices = r.occupancy_slices if field.table.shape[0] > 1 else 1
        field = replace(field, occupancy=empty_occupancy(r.occupancy_size, slices, r.occupancy_threshold))
    field = field.fork(run.device)
    rng = torch.Generator().manual_seed(run.seed * len(STAGES) + STAGES.index(stage))
    return _State(
        field, new_optimiser(field, config.optim), rng, run.seed, field.occupancy.mask(), Health(stage), Balance(stage)
    )


def _one_step(
    state: _State, step: int, config: StageConfig, batch_fn: BatchFn, guidances: Guidances
) -> dict[str, float]:
    if (step - 1) % config.render.occupancy_every == 0:
        _update_occupancy(state, step, config.render)
    masked = min(masked_levels(step, config), state.field.config.levels // 2)
    state.field = replace(state.field, masked_levels=masked)
    state.optimiser.zero_grad(set_to_none=True)
    losses: dict[str, float] = {}
    opacities = []
    pulls: dict[str, float] = {}
    factor = entropy_factor(step, config)
    for batch in batch_fn(step, state.rng):
        report = backward(state.field, batch, state.mask, config.render, config.losses, factor)
        opacities.append(report.opacity)
        losses, pulls = _added(losses, report.losses), _added(pulls, report.pulls)
    losses |= temporal_tv(state.field, config.losses, state.rng)
    state.health.check(step, state.field, losses, opacities)
    state.notes += check_gradients(guidances, losses)
    state.notes += filter(None, [state.balance.add(pulls)])
    state.updated_step = step
    adam_step(state.optimiser, state.field, config, step)
    return losses


def _update_occupancy(state: _State, step: int, config: RenderConfig) -> None:
    """Refresh the cells that may be sampled, or in a sweep all of them: what is dense outside them is not rendered."""
    is_sweep = (step - 1) // config.occupancy_every % config.occupancy_sweep == 0
    within = None if is_sweep else state.mask.binary
    occupancy = update_occupancy(
        state.field.occupancy, state.field, config.occupancy_decay, state.rng, within=within
    )
    state.field = replace(state.field, occupancy=occupancy)
    state.mask = occupancy.mask()


def _added(totals: dict[str, float], terms: dict[str, float]) -> dict[str, float]:
    return {name: totals.get(name, 0.0) + terms.get(name, 0.0) for name in totals | terms}


def _report(state: _State, step: int, config: StageConfig, losses: dict[str, float], camera: Cameras) -> Step:
    stage = state.health.stage

    def preview() -> Tensor:
        return preview_images(state.field, camera, step / config.steps, config.render)

    field, rng_state = state.field, state.rng.get_state()  # a later step that fails half-way has drawn numbers already

    def snapshot() -> Snapshot:
        if state.updated_step != step:
            raise RuntimeError(f"{stage} step {state.updated_step} was stopped in the middle of its update.")
        state.health.check_parameters(step, field)
        return snapshots.take(stage, step, state.seed, field, state.optimiser, rng_state, config)

    return Step(stage, step, config.steps, losses, preview, snapshot, dict(state.balance.shares), tuple(state.notes))


def preview_images(field: Field4D, reference: Cameras, progress: float, config: RenderConfig) -> Tensor:
    """Render (2, 3, S, S): the reference view and a novel view. Both move through time, the second also around."""
    time = (progress * 8.0) % 1.0 if field.table.shape[0] > 1 else 0.0
    azimuth = [float(reference.azimuth[0]), float(reference.azimuth[0]) + 360.0 * ((progress * 3.0) % 1.0)]
    elevation = [float(reference.elevation[0]), 15.0]
    cameras = make_cameras(elevation, azimuth, float(reference.radius[0]), float(reference.fovy[0]))
    size = min(PREVIEW_SIZE, 2 * config.size)
    samples = min(config.samples, PREVIEW_STEPS)
    return render_clip(field, cameras, torch.full((2,), time), ImageOptions(size, n_steps=samples, normals=False)).image
