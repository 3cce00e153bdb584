"""One stage in one call, for the tests: the field it begins with, and its run."""

from __future__ import annotations

from typing import Any

from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D
from a124core.protocols import Guidances, Run
from a124core.reference.reference import Reference
from a124core.stages.config import StageConfig
from a124core.stages.optimise import initial_field, optimise


def run_stage(
    stage: str,
    config: StageConfig,
    guidances: Guidances,
    start: Field4D | FieldConfig,  # the field of the stage before, or the options of a new one
    reference: Reference | None = None,
    time_grids: FieldConfig | None = None,  # of a moving stage; None: the field's own
    **run: Any,  # of Run
) -> Field4D:
    options = Run(**run)
    if isinstance(start, FieldConfig):
        field = initial_field(stage, None, start, config, options.seed)
    else:
        field = start if stage == "fine" else initial_field(stage, start, time_grids or start.config, config, 0)
    return optimise(stage, field, reference, guidances, config, options)
