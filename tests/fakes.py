"""Stand-ins that several test files share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from a124core.field.occupancy import Occupancy, empty_occupancy, update_occupancy
from a124core.protocols import Field

EVERYWHERE = Occupancy(torch.ones(1, 4, 4, 4), 0.5)  # every cell is occupied at all times


@dataclass(frozen=True)
class FunctionField(Field):
    """A field around a function."""

    function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # xyz (N, 3), time (N,) -> density (N,), albedo (N, 3)
    occupancy: Occupancy | None = None
    loop: bool = False

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return self.function(xyz, time)


def with_occupancy(field: Any, size: int, slices: int, updates: int) -> Any:
    """The same field with size^3 cells for each slice of time, updated that often."""
    rng = torch.Generator().manual_seed(0)
    occupancy = empty_occupancy(size, slices, 1.0)
    for _ in range(updates):
        occupancy = update_occupancy(occupancy, field, 1.0, rng)
    return replace(field, occupancy=occupancy)
