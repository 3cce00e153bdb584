"""How the field moves once a step's gradients are there: clipping, Adam, temporal TV."""

from __future__ import annotations

import torch
from torch import Tensor

from ..field.field4d import Field4D
from ..kernels import AdamRule, adam_temporal_tv, temporal_smoothing
from ..kernels.torch_impl.adam import FUSED
from ..losses import temporal_tv_pairs, temporal_tv_samples, temporal_tv_tables
from .config import LossWeights, OptimConfig, StageConfig
from .schedules import learning_rate_factor

SLOWED = 0.1  # factor of the learning rates once a field was lost: a tenth of one that explodes is a usual one
TV_POINTS = 100_000  # points of the sampled temporal TV (release)


def new_optimiser(field: Field4D, config: OptimConfig) -> torch.optim.Adam:
    """Two groups: the tables, and the MLP. full_lr is what schedules start from."""
    groups = [
        {"params": list(field.tables.values()), "lr": config.grid_lr, "full_lr": config.grid_lr},
        {"params": list(field.mlp.values()), "lr": config.mlp_lr, "full_lr": config.mlp_lr},
    ]
    fused = field.table.device.type in FUSED
    return torch.optim.Adam(groups, betas=(float(config.beta1), float(config.beta2)), eps=config.eps, fused=fused)


def slow_down(optimiser: torch.optim.Adam) -> None:
    """Lower the learning rates for the rest of the stage."""
    for group in optimiser.param_groups:
        group["full_lr"] *= SLOWED


def is_slowed(optimiser: torch.optim.Adam, config: OptimConfig) -> bool:
    """Return whether the learning rates are lower than the options say."""
    return optimiser.param_groups[0]["full_lr"] < config.grid_lr


def temporal_tv(field: Field4D, losses: LossWeights, rng: torch.Generator) -> dict[str, float]:
    """Eq. 2. On features at random points its gradient is added to the table's; else this is the value alone, and
    adam_step does the rest, where nothing has to keep a gradient. Decoupled has no weight in the loss."""
    weight, table = losses.time_tv, field.table
    if weight <= 0 or table.shape[0] < 2:
        return {}
    if losses.time_tv_form == "samples":
        points = (torch.rand(TV_POINTS, 3, generator=rng) * 2.0 - 1.0).to(table.device)
        loss = weight * temporal_tv_samples(field.features_per_grid(points), field.config.loop)
        loss.backward()
    else:
        loss = temporal_tv_tables(table.detach(), field.config.loop)
        loss = loss if losses.time_tv_form == "decoupled" else weight * loss
    return {"time tv": float(loss.detach())}


def adam_step(optimiser: torch.optim.Adam, field: Field4D, config: StageConfig, step: int) -> None:
    """Set the learning rates, clip, move tables and MLP, smooth in time. Uses the gradients up.

    The norms are those of the losses' gradient, before temporal TV on tables: no prior's outlier should change how
    strongly a table is smoothed. By value the sum is clipped, as released."""
    factor = learning_rate_factor(step, config)
    for group in optimiser.param_groups:
        group["lr"] = group["full_lr"] * factor
        if group["full_lr"] == 0:
            _drop_gradients(group["params"])
        elif config.optim.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(group["params"], config.optim.clip_norm)
    smoothed = config.losses.time_tv > 0 and field.table.shape[0] > 1
    if smoothed and config.losses.time_tv_form == "tables":
        _table_step(optimiser, field, config)
    if config.optim.clip > 0:
        _clip([p for group in optimiser.param_groups for p in group["params"]], config.optim.clip)
    optimiser.step()
    if smoothed and config.losses.time_tv_form == "decoupled":
        _smooth(field, config.losses.time_tv * optimiser.param_groups[0]["lr"] / config.optim.grid_lr)


def _smooth(field: Field4D, share: float) -> None:
    """Move every entry of the table by a share of the way to its neighbours' mean: as AdamW's decay (Loshchilov and
    Hutter, arXiv 1711.05101) it follows the schedule of the learning rate, and no moment of Adam scales it."""
    table = field.table.detach()
    closed = temporal_tv_pairs(*table.shape[:2], field.config.loop)[1]
    temporal_smoothing(table.view(len(table), -1), share, closed)


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


def _drop_gradients(tensors: list[Tensor]) -> None:
    """Leave these tensors out of Adam's step, their moments too."""
    for tensor in tensors:
        tensor.grad = None


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
