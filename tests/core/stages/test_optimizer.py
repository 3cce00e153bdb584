"""A step's update: temporal TV on tables inside of Adam's pass is Adam on the summed gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.losses import temporal_tv_tables
from a124core.stages.config import CoarseConfig, LossWeights, OptimConfig
from a124core.stages.optimizer import adam_step, new_optimiser, temporal_tv

FIELD = FieldConfig(
    time_grids=4, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=8, hidden=8, init_scale=1.0
)
WEIGHT = 30.0  # as strong as the other gradients here


def stage(clip: float = 0.0, form: str = "tables") -> CoarseConfig:
    losses = LossWeights(time_tv=WEIGHT, time_tv_form=form)
    return CoarseConfig(steps=20, losses=losses, optim=OptimConfig(clip=clip, lr_end=0.1))


def pulled(field: Field4D, step: int) -> None:
    """The gradient of one moment, as a step leaves it."""
    xyz, time = torch.linspace(-0.9, 0.9, 90).view(30, 3), torch.full((30,), 0.1 + 0.1 * step)
    density, albedo = field(xyz, time)
    (density.mean() * 1e-2 + albedo.square().mean()).backward()


@pytest.mark.parametrize("loop", [False, True])
@pytest.mark.parametrize("clip", [0.0, 1e-3])
def test_the_same_as_torch_adam_after_a_backward(loop: bool, clip: float, rng: torch.Generator) -> None:
    """Also the clip: it acts on the sum, temporal TV included. Same moments under the same names."""
    field = new_field(replace(FIELD, loop=loop), rng)
    config, ours, torchs = stage(clip), field.fork(), field.fork()
    optimisers = [new_optimiser(f, config.optim) for f in (ours, torchs)]
    for step in range(1, 6):
        for f in (ours, torchs):
            pulled(f, step)
        loss = WEIGHT * temporal_tv_tables(torchs.table, loop)
        loss.backward()
        report = temporal_tv(ours, config.losses, rng)
        assert report == {"time tv": pytest.approx(float(loss.detach()), rel=1e-6)}
        adam_step(optimisers[0], ours, config, step)
        adam_step(optimisers[1], torchs, replace(config, losses=LossWeights()), step)
        for o in optimisers:
            o.zero_grad(set_to_none=True)
    assert (ours.table - field.table).abs().max() > 1e-3
    torch.testing.assert_close(ours.table, torchs.table, atol=2e-5, rtol=0)
    torch.testing.assert_close(ours.mlp["w1"], torchs.mlp["w1"], atol=2e-5, rtol=0)
    states = [o.state[f.table] for o, f in zip(optimisers, (ours, torchs), strict=True)]
    assert states[0].keys() == states[1].keys() and states[0]["step"] == states[1]["step"] == 5
    for name in ("exp_avg", "exp_avg_sq"):
        torch.testing.assert_close(states[0][name], states[1][name], atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_a_step_that_sees_nothing_still_smooths_in_time(clip: float, rng: torch.Generator) -> None:
    field, config = new_field(FIELD, rng).fork(), stage(clip)
    before = float(temporal_tv_tables(field.table.detach()))
    adam_step(new_optimiser(field, config.optim), field, config, 1)
    assert float(temporal_tv_tables(field.table.detach())) < before


def test_sampled_tv_comes_as_a_gradient(rng: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.stages.optimizer.TV_POINTS", 50)
    field = new_field(FIELD, rng).fork()
    assert temporal_tv(field, stage(form="samples").losses, rng)["time tv"] > 0 and field.table.grad.abs().sum() > 0
    assert temporal_tv(field, stage().losses, rng)["time tv"] > 0


def test_a_still_field_has_no_temporal_tv(rng: torch.Generator) -> None:
    field, config = new_field(replace(FIELD, time_grids=1), rng).fork(), stage()
    assert temporal_tv(field, config.losses, rng) == {}
    before = field.table.detach().clone()
    pulled(field, 1)
    adam_step(new_optimiser(field, config.optim), field, config, 1)
    assert not torch.equal(field.table, before)
