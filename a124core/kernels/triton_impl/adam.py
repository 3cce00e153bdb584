"""Adam and temporal TV on tables in Triton: a program walks through time with BLOCK columns of the table, so
value, gradient and both moments are read once, all but the gradient written once, and TV's gradient is never stored."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..torch_impl.adam import AdamRule

BLOCK = 512  # columns of one program


@triton.jit
def _walk(
    values, gradient, mean, square, last, slope, clip, share1, share2, rate, root, eps, grids, columns,
    CLOSED: tl.constexpr, CLIP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """share = 1 - beta; rate and root hold the corrections for moments that started at 0; last is the last grid, read
    before it moves."""
    column = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = column < columns
    place = column.to(tl.int64)
    now = tl.load(values + place, mask=mask, other=0.0)
    first = now
    rise = tl.zeros([BLOCK], dtype=tl.float32)
    if CLOSED:
        rise = now - tl.load(last + column, mask=mask, other=0.0)
    for k in range(grids):
        more = k + 1 < grids
        after = tl.load(values + place + columns, mask=mask & more, other=0.0)
        next_rise = (tl.where(more, after, first) if CLOSED else tl.where(more, after, now)) - now
        g = tl.load(gradient + place, mask=mask, other=0.0) + slope * (rise - next_rise)
        if CLIP:
            g = tl.minimum(g, clip, propagate_nan=tl.PropagateNan.ALL)
            g = tl.maximum(g, -clip, propagate_nan=tl.PropagateNan.ALL)
        m = tl.load(mean + place, mask=mask, other=0.0)
        s = tl.load(square + place, mask=mask, other=0.0)
        m += share1 * (g - m)
        s += share2 * (g * g - s)
        tl.store(mean + place, m, mask=mask)
        tl.store(square + place, s, mask=mask)
        tl.store(values + place, now - rate * m / (tl.sqrt(s) / root + eps), mask=mask)
        rise = next_rise
        now = after
        place += columns


@torch.no_grad()
def adam_time_tv(
    values: Tensor, gradient: Tensor, mean: Tensor, square: Tensor, count: Tensor, rule: AdamRule, tv: float,
    closed: bool,
) -> None:  # fmt: skip
    """torch_adam.adam_time_tv, for contiguous tensors."""
    steps = int(count.add_(1.0))
    rate = rule.lr / (1.0 - rule.beta1**steps)
    root = (1.0 - rule.beta2**steps) ** 0.5
    grids, columns = values.shape
    _walk[(triton.cdiv(columns, BLOCK),)](
        values, gradient, mean, square, values[-1], 2.0 * tv, rule.clip, 1.0 - rule.beta1,
        1.0 - rule.beta2, rate, root, rule.eps, grids, columns, CLOSED=closed, CLIP=rule.clip > 0, BLOCK=BLOCK,
    )  # fmt: skip
