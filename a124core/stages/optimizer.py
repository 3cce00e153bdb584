"""How the field moves once a step's gradients are there: temporal TV, clipping, Adam."""

from __future__ import annotations

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..kernels import AdamRule, adam_temporal_tv
from ..kernels.torch_impl.adam import FUSED
from ..losses import temporal_tv_pairs, temporal_tv_samples, temporal_tv_tables
from .config import LossWeights, OptimConfig, StageConfig
from .schedules import learning_rate_factor

SLOWED = 0.1  # factor of the learning rates once a field was lost: a tenth of one that explodes is a usual one
TV_POINTS = 100_000  # points of the sampled temporal TV (release)


def new_optimiser(field: Field4D, config: OptimConfig) -> torch.optim.Adam:
    """Two groups: the table, and the MLP. full_lr is what schedules start from."""
    groups = [
        {"params": [field.table], "lr": config.grid_lr, "full_lr": config.grid_lr},
        {"params": list(field.mlp.values()), "lr": config.mlp_lr, "full_lr": config.mlp_lr},
    ]
    fused = field.table.device.type in FUSED
    return torch.optim.Adam(groups, betas=(config.beta1, config.beta2), eps=config.eps, fused=fused)


def slow_down(optimiser: torch.optim.Adam) -> None:
    """Lower the learning rates for the rest of the stage."""
    for group in optimiser.param_groups:
        group["full_lr"] *= SLOWED


def is_slowed(optimiser: torch.optim.Adam, config: OptimConfig) -> bool:
    """Return whether the learning rates are lower than the options say."""
    return optimiser.param_groups[0]["full_lr"] < config.grid_lr


def temporal_tv(field: Field4D, losses: LossWeights, rng: torch.Generator) -> dict[str, float]:
    """Eq. 2. On features at random points its gradient is added to the table's; on tables this is the value alone, and
    the gradient is made inside of adam_step, where nothing has to keep it."""
    weight, table = losses.time_tv, field.table
    if weight <= 0 or table.shape[0] < 2:
        return {}
    if losses.time_tv_form == "tables":
        loss = weight * temporal_tv_tables(table.detach(), field.config.loop)
    else:
        points = (torch.rand(TV_POINTS, 3, generator=rng) * 2.0 - 1.0).to(table.device)
        loss = weight * temporal_tv_samples(field.features_per_grid(points), field.config.loop)
        loss.backward()
    return {"time tv": float(loss.detach())}


def adam_step(optimiser: torch.optim.Adam, field: Field4D, config: StageConfig, step: int) -> None:
    """Set the learning rates, clip by value, move table and MLP. Uses the gradients up."""
    factor = learning_rate_factor(step, config)
    for group in optimiser.param_groups:
        group["lr"] = group["full_lr"] * factor
    losses = config.losses
    if losses.time_tv > 0 and losses.time_tv_form == "tables" and field.table.shape[0] > 1:
        _table_step(optimiser, field, config)
    if config.optim.clip > 0:
        _clip([p for group in optimiser.param_groups for p in group["params"]], config.optim.clip)
    optimiser.step()


def _table_step(optimiser: torch.optim.Adam, field: Field4D, config: StageConfig) -> None:
    """Step the table, temporal TV included, with the optimiser's own moments, and take its gradient away."""
    table, o = field.table, config.optim
    state = optimiser.state[table] or _initial_state(optimiser, table)
    gradient = torch.zeros_like(table) if table.grad is None else table.grad
    values, mean, square = (t.detach().view(len(t), -1) for t in (table, state["exp_avg"], state["exp_avg_sq"]))
    rule = AdamRule(optimiser.param_groups[0]["lr"], o.beta1, o.beta2, o.eps, o.clip)
    share, closed = temporal_tv_pairs(*table.shape[:2], field.config.loop)
    weight = config.losses.time_tv * share
    adam_temporal_tv(values, gradient.reshape(values.shape), mean, square, state["step"], rule, weight, closed)
    table.grad = None


def _clip(tensors: list[Tensor], limit: float) -> None:
    """By value. torch's clip_grad_value_ fails where no tensor has a gradient (2.13): after a step without a batch."""
    for tensor in tensors:
        if tensor.grad is not None:
            tensor.grad.clamp_(-limit, limit)


def _initial_state(optimiser: torch.optim.Adam, table: Tensor) -> dict[str, Tensor]:
    """Adam's state before its first step, as torch lays it out (snapshot.py)."""
    step_device = table.device if optimiser.defaults["fused"] else torch.device("cpu")
    averages = {"exp_avg": torch.zeros_like(table), "exp_avg_sq": torch.zeros_like(table)}
    optimiser.state[table] = {"step": torch.zeros((), device=step_device), **averages}
    return optimiser.state[table]
