"""optimise(): the one entry to the three stages, and the field and configuration that each begins with."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..field.config import FieldConfig
from ..field.field4d import Field4D, from_static, new_field
from ..priors.checked import checked
from ..protocols import Guidances, Run
from ..reference.reference import Reference, camera_of
from .coarse import coarse_batches, with_min_temporal_tv
from .config import CoarseConfig, StageConfig
from .fine import fine_batches
from .loop import optimise_field
from .presets import with_memory
from .static import static_batches
from .supervision import USED

BATCHES = {"static": static_batches, "coarse": coarse_batches, "fine": fine_batches}


def optimise(
    stage: str,  # one of loop.STAGES
    field: Field4D,  # what it begins with, see initial_field
    reference: Reference | None,
    guidances: Guidances,  # of which the stage uses its own
    config: StageConfig,  # of the stage
    run: Run,
) -> Field4D:  # on the CPU
    """Run one stage. Whatever is None is left out; ValueError if nothing is left to supervise it."""
    used = checked(used_guidances(stage, guidances))
    front = field.front if reference is None else float(reference.camera.azimuth[0])
    field = replace(field, smooth_normals=config.render.normals == "differences", front=front)
    batch_fn = BATCHES[stage](field, reference, used, config, torch.device(run.device))
    return optimise_field(stage, field, config, batch_fn, used, camera_of(reference), run)


def used_guidances(stage: str, guidances: Guidances) -> Guidances:
    """Those of the guidances that the stage uses."""
    return Guidances(**{role: getattr(guidances, role) for role in USED[stage]})


def initial_field(
    stage: str, field: Field4D | None, field_config: FieldConfig, config: StageConfig, seed: int
) -> Field4D:
    """The field a stage begins with: a new one in the static stage; later the earlier one, grown over time if static.

    Of field_config a moving stage uses time_grids and loop; the rest is the given field's. A fine stage grows nothing
    where field_config is static: it refuses later."""
    if stage == "fine" and field_config.time_grids == 1:
        return field
    if stage == "static":
        return new_field(replace(field_config, time_grids=1), torch.Generator().manual_seed(seed))
    return from_static(field, field_config.time_grids, config.render.occupancy_slices, field_config.loop)


def resolve_config(config: StageConfig, guidances: Guidances, steps: int, memory: str) -> StageConfig:
    """The stage's final options, made before its memory is estimated: steps (0: as they are), memory, temporal TV."""
    config = with_memory(replace(config, steps=steps) if steps > 0 else config, memory)
    return with_min_temporal_tv(config, guidances.video) if isinstance(config, CoarseConfig) else config
