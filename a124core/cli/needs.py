"""What the stages of a scene will need, said before their first step."""

from __future__ import annotations

from ..field.field4d import Field4D
from ..runs.memory import estimate_memory, kernels_on, shortfall
from .job import PreparedRun


def announced(scene: PreparedRun, stage: str, field: Field4D | None) -> list[str]:
    """Steps and counted memory; a second line if that is more than there is."""
    job, config = scene.job, scene.config(stage)
    needs = estimate_memory(
        scene.settings.field, config, scene.stage_guidances(stage), kernels_on(job.device), scene.camera, start=field
    )
    lack = shortfall(needs, job.device, f"start again with {less(job.memory)}")
    return [line for line in (f"{stage}: {config.steps} steps, {needs.line()}.", lack) if line is not None]


def less(memory: str) -> str:
    """What needs less memory than this run."""
    return "a smaller preset (--preset draft or demo)" if memory == "low" else "--memory low"
