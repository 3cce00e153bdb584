"""Temporal total variation of the time grids (Eq. 2) and a step down its gradient in plain torch: the specification."""

from __future__ import annotations

import torch
from torch import Tensor


def temporal_tv(
    values: Tensor,  # (T, M), T >= 2
    closed: bool,  # the last grid also neighbours the first
) -> Tensor:  # scalar
    """Return the sum over pairs of neighbours of |v_(k+1) - v_k|^2."""
    total = (values[1:] - values[:-1]).square().sum()
    return total + (values[0] - values[-1]).square().sum() if closed else total


@torch.no_grad()
def temporal_smoothing(
    values: Tensor,  # (T, M), T >= 2, updated in place
    share: float,  # in [0, 1]
    closed: bool,  # the last grid also neighbours the first
) -> None:
    """Move all grids at once by a share of the way to the mean of their neighbours.

    A neighbour that is missing counts as the grid itself, so this is a step of share / 4 down the gradient of
    temporal_tv, and the mean over time stays."""
    n_grids, first = len(values), values[0].clone()
    rise = first - values[-1] if closed else torch.zeros_like(first)
    for k in range(n_grids):
        following = values[k + 1] if k + 1 < n_grids else first if closed else values[k]
        next_rise = following - values[k]
        values[k].add_(next_rise - rise, alpha=0.5 * share)
        rise = next_rise
