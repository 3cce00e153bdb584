"""Temporal smoothing on a CPU, compiled by Numba: chunks of the table's columns walk through time, each value read once
and written once."""

from __future__ import annotations

import numpy as np
from numba import float32
from torch import Tensor

from .threads import compiled, run_chunks

HALF = float32(0.5)


@compiled
def _smooth(values, share, closed, begin, end):
    """Columns begin to end of values (T, M), in place."""
    n_grids, width = values.shape[0], end - begin
    first = values[0, begin:end].copy()
    rise = first - values[n_grids - 1, begin:end] if closed else np.zeros_like(first)
    for k in range(n_grids):
        current = values[k, begin:end]
        following = values[k + 1, begin:end] if k + 1 < n_grids else first if closed else current
        for c in range(width):
            next_rise = following[c] - current[c]
            current[c] += HALF * share * (next_rise - rise[c])
            rise[c] = next_rise


def temporal_smoothing(values: Tensor, share: float, closed: bool) -> None:
    """As torch_impl.temporal_tv.temporal_smoothing, for contiguous tensors."""
    table = values.detach().numpy()
    run_chunks(lambda begin, end: _smooth(table, np.float32(share), closed, begin, end), table.shape[1])
