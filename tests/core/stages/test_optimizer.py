"""A step's update: temporal TV on tables inside of Adam's pass is Adam on the summed gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.losses import temporal_tv_tables
from a124core.stages.config import CoarseConfig, LossWeights, OptimConfig
from a124core.stages.optimizer import adam_step, new_optimiser, slow_down, temporal_tv

FIELD = FieldConfig(
    time_grids=4, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=8, hidden=8, init_scale=1.0
)
WEIGHT = 30.0  # as strong as the other gradients here


def stage(clip: float = 0.0, form: str = "tables", time_tv: float = WEIGHT, **optim: float) -> CoarseConfig:
    losses = LossWeights(time_tv=time_tv, time_tv_form=form)
    return CoarseConfig(steps=20, losses=losses, optim=OptimConfig(clip=clip, lr_end=0.1, **optim))


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
    value = temporal_tv(field, stage(form="decoupled", time_tv=0.5).losses, rng)["time tv"]  # it has no weight
    assert value == pytest.approx(float(temporal_tv_tables(field.table.detach())), rel=1e-6)


def test_a_still_field_has_no_temporal_tv(rng: torch.Generator) -> None:
    field, config = new_field(replace(FIELD, time_grids=1), rng).fork(), stage()
    assert temporal_tv(field, config.losses, rng) == {}
    before = field.table.detach().clone()
    pulled(field, 1)
    adam_step(new_optimiser(field, config.optim), field, config, 1)
    assert not torch.equal(field.table, before)


def norm(tensors: list[torch.Tensor]) -> float:
    return float(sum(t.square().sum() for t in tensors) ** 0.5)


@pytest.mark.parametrize("group", [0, 1])
def test_each_group_is_clipped_by_its_own_norm(group: int, rng: torch.Generator) -> None:
    """The limit is a quarter of one group's norm. After its first step Adam's mean is a tenth of what it was given."""
    field = new_field(FIELD, rng).fork()
    pulled(field, 1)
    tensors = [[field.table], list(field.mlp.values())]
    given = [[t.grad.clone() for t in part] for part in tensors]
    limit = 0.25 * norm(given[group])
    config = stage(time_tv=0.0, clip_norm=limit)
    optimiser = new_optimiser(field, config.optim)
    adam_step(optimiser, field, config, 1)
    for part, gradients in zip(tensors, given, strict=True):
        factor = min(1.0, limit / norm(gradients))
        for tensor, gradient in zip(part, gradients, strict=True):
            mean = 10.0 * optimiser.state[tensor]["exp_avg"]
            torch.testing.assert_close(mean, factor * gradient, rtol=1e-4, atol=1e-9)


def test_temporal_tv_on_tables_is_added_after_the_clip(rng: torch.Generator) -> None:
    field, config = new_field(FIELD, rng).fork(), stage(clip_norm=1e-6)
    pulled(field, 1)
    smoothing = torch.autograd.grad(WEIGHT * temporal_tv_tables(field.table), field.table)[0]
    optimiser = new_optimiser(field, config.optim)
    adam_step(optimiser, field, config, 1)
    given = 10.0 * optimiser.state[field.table]["exp_avg"]
    assert norm([given - smoothing]) == pytest.approx(1e-6, rel=0.2) and norm([smoothing]) > 0.1


def test_a_step_without_gradients_clips_nothing(rng: torch.Generator) -> None:
    field, config = new_field(FIELD, rng).fork(), stage(time_tv=0.0, clip_norm=1.0)
    before = field.table.detach().clone()
    adam_step(new_optimiser(field, config.optim), field, config, 1)
    assert torch.equal(field.table, before)


def test_a_learning_rate_of_0_freezes_the_mlp(rng: torch.Generator) -> None:
    field, config = new_field(FIELD, rng).fork(), stage(mlp_lr=0.0, eps=0.0)
    before, table = {k: v.detach().clone() for k, v in field.mlp.items()}, field.table.detach().clone()
    optimiser = new_optimiser(field, config.optim)
    for step in (1, 2):
        pulled(field, step)
        adam_step(optimiser, field, config, step)
        optimiser.zero_grad(set_to_none=True)
    assert all(torch.equal(field.mlp[key], before[key]) for key in before) and not torch.equal(field.table, table)


def smoothed(gradient_size: float, share: float, steps: int = 20) -> torch.Tensor:  # (T,) of the first entry
    """Seven still grids at 0, of which only the middle one has a gradient, that pulls it upwards."""
    config = replace(FIELD, time_grids=7, init_scale=0.0)
    field, settings = new_field(config, torch.Generator()).fork(), stage(form="decoupled", time_tv=share, eps=1e-15)
    optimiser = new_optimiser(field, settings.optim)
    for step in range(1, steps + 1):
        field.table.grad = torch.zeros_like(field.table)
        field.table.grad[3] = -gradient_size
        adam_step(optimiser, field, settings, step)
    return field.table.detach()[:, 0, 0]


def test_decoupled_temporal_tv_does_not_know_how_large_gradients_are() -> None:
    """With tables, Adam divides temporal TV by the gradient where there is one, and by itself where there is none."""
    strong, weak = smoothed(1e3, 0.1), smoothed(1e-6, 0.1)
    torch.testing.assert_close(strong, weak, rtol=1e-4, atol=0)
    assert strong[3] == strong.max() and strong[2] == strong[4] > strong[1] > strong[0] > 0


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_a_row_that_only_temporal_tv_touches_moves_by_the_share(share: float) -> None:
    """One step: Adam moves the middle by its learning rate, then it goes its share back and the others theirs up."""
    lr = OptimConfig().grid_lr
    assert smoothed(1.0, share, 1).tolist() == pytest.approx(
        [0, 0, share / 2 * lr, (1 - share) * lr, share / 2 * lr, 0, 0], rel=1e-5
    )


def test_a_row_that_a_prior_moves_is_held_back() -> None:
    free, held, tied = (float(smoothed(1.0, share)[3]) for share in (0.0, 0.1, 0.5))
    assert held < 0.65 * free and tied < 0.4 * free


def test_the_share_follows_the_learning_rate(rng: torch.Generator) -> None:
    """A tenth of it at the end of the schedule, and another tenth once the field was lost."""
    field, config = new_field(FIELD, rng), stage(form="decoupled", time_tv=0.2)
    distances = []
    for step, slowed in ((1, False), (20, False), (20, True)):
        moved = field.fork()
        optimiser = new_optimiser(moved, config.optim)
        if slowed:
            slow_down(optimiser)
        adam_step(optimiser, moved, config, step)
        distances.append(norm([moved.table.detach() - field.table]))
    assert distances[0] / distances[1] == pytest.approx(10, rel=1e-3)
    assert distances[1] / distances[2] == pytest.approx(10, rel=1e-2)
