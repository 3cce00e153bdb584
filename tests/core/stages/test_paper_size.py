"""Some steps of every stage with the paper's and the release's own numbers on built-in priors. Tables,
levels, time grids, steps along a ray, schedules and losses are theirs; only pictures and occupancy
cells are cut, for a CPU's sake."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core.field.grid import rows_per_grid
from a124core.priors.builtin import RequestedMotion, example_image, make_priors
from a124core.protocols import Step
from a124core.reference.reference import make_reference
from a124core.stages.config import StageConfig
from a124core.stages.presets import preset
from tests.stage_runs import run_stage


def cut(config: StageConfig, steps: int) -> StageConfig:
    """The same stage in pictures of 10 pixels; the first steps look around too, not only back."""
    pictures = replace(config.render, size=10, reference_size=10, occupancy_size=24, chunk=300)
    return replace(config, steps=steps, reference_first=0, render=pictures)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "steps"), [("released", 5), ("paper", 2)])
def test_some_steps_of_every_stage(name: str, steps: int) -> None:
    settings = preset(name)
    picture, mask = example_image("robot", 128)
    reference = make_reference(picture, mask, mask_marks="subject")
    priors = make_priors(reference, "a robot is swaying", RequestedMotion("sway"), 48, subject="robot")
    seen: list[Step] = []
    guidances = priors.guidances
    still = run_stage(
        "static", cut(settings.static, steps), guidances, settings.field, reference, on_step=seen.append
    )
    assert still.table.shape == (1, rows_per_grid(settings.field), 2) == (1, 903_480, 2)
    moving = run_stage(
        "coarse", cut(settings.coarse, steps), guidances, still, reference, settings.field, on_step=seen.append
    )
    assert moving.table.shape[0] == 64
    refined = run_stage("fine", cut(settings.fine, steps), guidances, moving, reference, on_step=seen.append)
    assert [s.stage for s in seen] == ["static"] * steps + ["coarse"] * steps + ["fine"] * steps
    terms = {
        stage: set().union(*(s.losses for s in seen if s.stage == stage)) for stage in ("static", "coarse", "fine")
    }
    assert {"rgb", "mask", "sds image", "sds view"} <= terms["static"]
    assert {"sds video", "time tv"} <= terms["coarse"] and {"sds video", "sds refine", "time tv"} <= terms["fine"]
    regularised = {"entropy", "orientation", "normal tv", "normal blur"} <= terms["fine"]
    assert regularised == (name == "released")
    assert torch.isfinite(refined.table).all() and not torch.equal(refined.table, moving.table)
