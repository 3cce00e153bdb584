"""One step of Adam with temporal TV on the grid table, in plain torch: the specification."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

FUSED = ("cpu", "cuda")  # where torch has Adam in one kernel


@dataclass(frozen=True)
class AdamRule:
    """Adam's hyperparameters for one step (Kingma and Ba, arXiv 1412.6980)."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    clip: float  # the whole gradient is clipped by value; 0: not


@torch.no_grad()
def adam_temporal_tv(
    values: Tensor,  # (T, M), T >= 2, updated in place
    gradient: Tensor,  # (T, M) of everything but temporal TV; overwritten
    mean: Tensor,  # (T, M) of gradients: Adam's exp_avg, updated in place
    square: Tensor,  # (T, M) of gradients: Adam's exp_avg_sq, updated in place
    count: Tensor,  # scalar: steps so far, incremented
    rule: AdamRule,
    tv: float,  # weight of each squared distance of neighbouring grids
    closed: bool,  # the last grid also neighbours the first
) -> None:
    """Step Adam on the loss of `gradient` plus tv * temporal_tv(values, closed)."""
    _add_tv_gradient(gradient, values, tv, closed)
    if rule.clip > 0:
        gradient.clamp_(-rule.clip, rule.clip)
    adam(
        [values], [gradient], [mean], [square], [], [count], fused=values.device.type in FUSED, amsgrad=False,
        beta1=rule.beta1, beta2=rule.beta2, lr=rule.lr, weight_decay=0.0, eps=rule.eps, maximize=False,
    )


def _add_tv_gradient(gradient: Tensor, values: Tensor, tv: float, closed: bool) -> None:
    """Add d tv |v_b - v_a|^2, -2 tv (v_b - v_a) at a and the opposite at b, a pair at a time: no copy of the table."""
    n_grids = values.shape[0]
    for a in range(n_grids if closed else n_grids - 1):
        b = (a + 1) % n_grids
        rise = values[b] - values[a]
        gradient[a].sub_(rise, alpha=2.0 * tv)
        gradient[b].add_(rise, alpha=2.0 * tv)
