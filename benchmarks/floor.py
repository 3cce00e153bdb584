"""What no implementation of the field can go below: the rows it must read and add to, and the MLP's products."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from a124core.field.field4d import Field4D
from a124core.field.grid import grid_levels
from a124core.kernels.grid_index import space_corners, time_corners

from .measure import median_seconds

ROW = 8  # bytes: two float32


def counted(field: Field4D, samples: int) -> dict[str, float]:
    """Per forward + backward: rows of the tables touched, bytes of memory for them, operations.

    8 corners of 2 time grids are read once for value and slopes together, and added to once (a read and a write)."""
    levels, hidden = field.config.levels, field.config.hidden
    rows = samples * levels * 8 * min(2, field.config.time_grids)
    mlp = 2 * samples * (2 * levels * hidden + hidden * 4)
    return {
        "rows": rows,
        "bytes": rows * ROW * 3,
        "operations": 3 * mlp + rows * 32,  # a multiply and an add, 2 channels, value and 3 slopes, there and back
    }


def floor_seconds(field: Field4D, make: Callable[[], tuple[Tensor, Tensor]], device: str, repeats: int) -> float:
    """Measured here and now: the rows gathered once and added to once, by indices that are already there, and the MLP
    there and back. Everything else (indices, weights, sums) counts as free."""
    table = field.table.detach().flatten(0, 1)
    total = torch.zeros_like(table)

    def with_rows() -> tuple[Tensor, Tensor]:
        index = _rows(field, *make())
        return index, torch.ones(index.shape[0], device=device, dtype=torch.complex64)

    seconds = median_seconds(with_rows, lambda index, _: _pairs(table).index_select(0, index), device, repeats)
    seconds += median_seconds(with_rows, lambda i, ones: _pairs(total).index_add_(0, i, ones), device, repeats)

    def features() -> tuple[Tensor]:
        return (torch.randn(make()[0].shape[0], 2 * field.config.levels, device=device).requires_grad_(True),)

    return seconds + median_seconds(features, lambda given: _mlp_both_ways(field, given), device, repeats)


def _rows(field: Field4D, xyz: Tensor, time: Tensor) -> Tensor:
    """Every row that these samples touch, level by level."""
    first, _ = time_corners(time, *field.table.shape[:2], field.config.loop)
    points = xyz.T.contiguous()
    index = [space_corners(points, level)[0] for level in grid_levels(field.config)]
    grids = first[: min(2, field.config.time_grids)]
    return torch.cat([(grids[:, None] + rows[None]).flatten() for rows in index]).long()


def _pairs(values: Tensor) -> Tensor:
    """A row as one complex number: the fastest way that torch has."""
    return torch.view_as_complex(values)


def _mlp_both_ways(field: Field4D, features: Tensor) -> None:
    hidden = F.linear(features, field.mlp["w1"], field.mlp["b1"]).relu()
    F.linear(hidden, field.mlp["w2"], field.mlp["b2"]).sum().backward()
