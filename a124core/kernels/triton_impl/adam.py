"""Adam and temporal TV on the grid table in Triton: a program walks through time with BLOCK columns of the table, so
value, gradient and both moments are read once, all but the gradient written once, and TV's gradient is never stored."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..torch_impl.adam import AdamRule

BLOCK = 512  # columns of one program


@triton.jit
def _adam_step(
    values, gradient, mean, square, last, slope, clip, share1, share2, rate, root, eps, n_grids, columns,
    CLOSED: tl.constexpr, CLIP: tl.constexpr, BLOCK: tl.constexpr,
):
    """share = 1 - beta; rate and root hold the bias corrections; last is the last grid, read before it changes."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    offset = column.to(tl.int64)
    current = tl.load(values + offset, mask=mask, other=0.0)
    first = current
    rise = tl.zeros([BLOCK], dtype=tl.float32)
    if CLOSED:
        rise = current - tl.load(last + column, mask=mask, other=0.0)
    for k in range(n_grids):
        more = k + 1 < n_grids
        following = tl.load(values + offset + columns, mask=mask & more, other=0.0)
        next_rise = (tl.where(more, following, first) if CLOSED else tl.where(more, following, current)) - current
        g = tl.load(gradient + offset, mask=mask, other=0.0) + slope * (rise - next_rise)
        if CLIP:
            g = tl.minimum(g, clip, propagate_nan=tl.PropagateNan.ALL)
            g = tl.maximum(g, -clip, propagate_nan=tl.PropagateNan.ALL)
        m = tl.load(mean + offset, mask=mask, other=0.0)
        s = tl.load(square + offset, mask=mask, other=0.0)
        m += share1 * (g - m)
        s += share2 * (g * g - s)
        tl.store(mean + offset, m, mask=mask)
        tl.store(square + offset, s, mask=mask)
        tl.store(values + offset, current - rate * m / (tl.sqrt(s) / root + eps), mask=mask)
        rise = next_rise
        current = following
        offset += columns


@torch.no_grad()
def adam_temporal_tv(
    values: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, count: Tensor, rule: AdamRule, tv: float,
    closed: bool,
) -> None:
    """As torch_impl.adam.adam_temporal_tv, for contiguous tensors."""
    steps = int(count.add_(1.0))
    rate = rule.lr / (1.0 - rule.beta1**steps)
    root = (1.0 - rule.beta2**steps) ** 0.5
    n_grids, columns = values.shape
    _adam_step[(triton.cdiv(columns, BLOCK),)](
        values, gradient, mean, square, values[-1], 2.0 * tv, rule.clip, 1.0 - rule.beta1,
        1.0 - rule.beta2, rate, root, rule.eps, n_grids, columns, CLOSED=closed, CLIP=rule.clip > 0, BLOCK=BLOCK,
    )
