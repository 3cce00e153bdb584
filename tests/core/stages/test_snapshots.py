"""A stage goes on from its snapshot to the same field, or refuses it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core.field.field4d import Field4D
from a124core.priors.checked import PriorMemoryError
from a124core.protocols import Step
from a124core.stages.config import CoarseConfig
from a124core.stages.snapshot import Snapshot, load_snapshot, save_snapshot
from tests.core.stages.ball import BARE, FIELD, MOVING, SHARED, STATIC, SWEPT, VIDEOS, VIEWS, Ball, viewed_by
from tests.stage_runs import run_stage

RELEASED = {"losses": replace(BARE, time_tv=0.1), "optim": replace(SHARED["optim"], clip=1.0)}  # TV inside of Adam
HELD = {  # temporal TV beside Adam, the MLP frozen
    "losses": replace(BARE, time_tv=0.1, time_tv_form="decoupled"),
    "optim": replace(SHARED["optim"], mlp_lr=0.0, clip_norm=1e-3),
}


@pytest.mark.parametrize(
    ("stage", "options"), [("static", {}), ("coarse", RELEASED), ("coarse", HELD), ("coarse", SWEPT)]
)
def test_a_stage_goes_on_from_a_snapshot_to_the_same_field(
    stage: str, options: dict, still: Field4D, tmp_path
) -> None:
    def run(resume: Snapshot | None = None, stop_at: int | None = None) -> Field4D:
        def on_step(step: Step) -> None:
            if step.step == stop_at:
                save_snapshot(tmp_path / "s.safetensors", step.snapshot())
                raise KeyboardInterrupt

        if stage == "static":
            return run_stage("static", replace(STATIC, steps=12), VIEWS, FIELD, seed=7, on_step=on_step, resume=resume)
        config = CoarseConfig(**{**MOVING, "steps": 12, **options})
        return run_stage("coarse", config, VIDEOS, still, time_grids=FIELD, seed=7, on_step=on_step, resume=resume)

    whole = run()
    with pytest.raises(KeyboardInterrupt):
        run(stop_at=9)
    resumed = run(resume=load_snapshot(tmp_path / "s.safetensors"))
    assert torch.equal(whole.table, resumed.table)
    assert all(torch.equal(whole.mlp[k], resumed.mlp[k]) for k in whole.mlp)
    frozen = options.get("optim", STATIC.optim).mlp_lr == 0
    assert all(torch.equal(whole.mlp[k], still.mlp[k]) for k in whole.mlp) == frozen


def test_a_step_that_failed_half_way_leaves_the_snapshot_of_the_one_before(tmp_path) -> None:
    """Also where steps without any gradient, which Adam does not count, came before."""

    class Failing(Ball):
        calls = 0

        def denoise(self, x_t, sigma, view):
            self.calls += 1
            if self.calls == 5:
                raise MemoryError("no room")
            return super().denoise(x_t, sigma, view)

    config = replace(STATIC, steps=12, reference_mode="released", reference_first=0, reference_every=3)  # idle: 3, 6 ..
    last: list[Step] = []
    whole = run_stage("static", config, VIEWS, FIELD, seed=7)
    with pytest.raises(PriorMemoryError, match="no room"):
        run_stage("static", config, viewed_by(Failing(clip=False)), FIELD, seed=7, on_step=last.append)
    save_snapshot(tmp_path / "s.safetensors", last[-1].snapshot())
    resumed = run_stage("static", config, VIEWS, FIELD, seed=7, resume=load_snapshot(tmp_path / "s.safetensors"))
    assert torch.equal(whole.table, resumed.table)


def test_a_snapshot_of_other_settings_is_refused(still: Field4D) -> None:
    taken: list[Snapshot] = []
    run_stage("static", replace(STATIC, steps=2), VIEWS, FIELD, on_step=lambda s: taken.append(s.snapshot()))
    for config, seed in ((replace(STATIC, steps=3), 0), (replace(STATIC, steps=2), 1)):
        with pytest.raises(ValueError, match="restart"):
            run_stage("static", config, VIEWS, FIELD, seed=seed, resume=taken[0])


def test_a_snapshot_from_before_an_option_goes_on_as_it_began() -> None:
    config, taken = replace(STATIC, steps=4), []
    whole = run_stage("static", config, VIEWS, FIELD, on_step=lambda s: taken.append(s.snapshot()))
    options = taken[1].meta["config"]
    del options["optim"]["clip_norm"], options["render"]["normals"]
    resumed = run_stage("static", config, VIEWS, FIELD, resume=taken[1])
    assert torch.equal(whole.table, resumed.table)
    with pytest.raises(ValueError, match="other settings"):
        clipped = replace(config, optim=replace(config.optim, clip_norm=1.0))
        run_stage("static", clipped, VIEWS, FIELD, resume=taken[1])
