"""Adam and temporal TV on tables in one operation, in plain torch: the specification."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.optim.adam import adam

FUSED = ("cpu", "cuda")  # where torch has Adam in one kernel


@dataclass(frozen=True)
class AdamRule:
    """Adam's numbers for one step (Kingma and Ba, arXiv 1412.6980)."""

    lr: float
    beta1: float
    beta2: float
    eps: float
    clip: float  # the whole gradient is clipped by value; 0: not


@torch.no_grad()
def adam_time_tv(
    values: Tensor,  # (T, M), T >= 2, is moved
    gradient: Tensor,  # (T, M) of everything but temporal TV; is used up
    mean: Tensor,  # (T, M) of gradients: Adam's exp_avg, is moved
    square: Tensor,  # (T, M) of gradients: Adam's exp_avg_sq, is moved
    count: Tensor,  # scalar: steps so far, becomes one more
    rule: AdamRule,
    tv: float,  # weight of each squared distance of neighbours in time
    closed: bool,  # the last grid also neighbours the first
) -> None:
    """One step of Adam on the loss whose gradient is given plus tv * temporal_tv(values, closed)."""
    _add_slopes(gradient, values, tv, closed)
    if rule.clip > 0:
        gradient.clamp_(-rule.clip, rule.clip)
    adam(
        [values], [gradient], [mean], [square], [], [count], fused=values.device.type in FUSED, amsgrad=False,
        beta1=rule.beta1, beta2=rule.beta2, lr=rule.lr, weight_decay=0.0, eps=rule.eps, maximize=False,
    )  # fmt: skip


def _add_slopes(gradient: Tensor, values: Tensor, tv: float, closed: bool) -> None:
    """d tv |v_b - v_a|^2 is -2 tv (v_b - v_a) at a and the opposite at b: a pair at a time, so nothing of the table's
    size is made."""
    grids = values.shape[0]
    for a in range(grids if closed else grids - 1):
        b = (a + 1) % grids
        rise = values[b] - values[a]
        gradient[a].sub_(rise, alpha=2.0 * tv)
        gradient[b].add_(rise, alpha=2.0 * tv)
