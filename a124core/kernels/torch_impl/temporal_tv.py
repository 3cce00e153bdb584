"""Temporal total variation of the time grids (Eq. 2) in plain torch: the specification."""

from __future__ import annotations

from torch import Tensor


def temporal_tv(
    values: Tensor,  # (T, M), T >= 2
    closed: bool,  # the last grid also neighbours the first
) -> Tensor:  # scalar
    """Return the sum over pairs of neighbours of |v_(k+1) - v_k|^2."""
    total = (values[1:] - values[:-1]).square().sum()
    return total + (values[0] - values[-1]).square().sum() if closed else total
