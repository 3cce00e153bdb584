"""A scene that is known to the last digit: two hard balls, one of which rises."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from a124core.field.occupancy import Occupancy
from a124core.protocols import Field
from tests.fakes import FunctionField, with_occupancy

RADII = (0.25, 0.2)
COLOURS = torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.6, 0.2]])


@dataclass(frozen=True)
class Balls(Field):
    """Density 400 inside; the first ball's centre rises by 0.3 during the clip, or swings once where time loops."""

    occupancy: Occupancy | None = None
    loop: bool = False

    def centres(self, time: Tensor) -> Tensor:  # (N,) -> (N, 2, 3)
        rise = 0.15 * torch.sin(2 * torch.pi * time) if self.loop else 0.3 * time
        zero = torch.zeros_like(time)
        first = torch.stack((zero + 0.25, rise, zero + 0.15), dim=1)
        return torch.stack((first, first.new_tensor([-0.35, -0.15, -0.1]).expand_as(first)), dim=1)

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        inside = (xyz[:, None] - self.centres(time)).norm(dim=2) < torch.tensor(RADII)
        return 400.0 * inside.any(1).float(), COLOURS[inside.int().argmax(1)]

    def density_gradient(self, xyz: Tensor, time: Tensor) -> Tensor:
        """Towards the nearer ball's centre: density falls outwards."""
        away = xyz[:, None] - self.centres(time)
        nearest = (away.norm(dim=2) - torch.tensor(RADII)).argmin(1)
        return -away[torch.arange(len(xyz)), nearest]


@pytest.fixture(scope="session")
def balls() -> Balls:
    return with_occupancy(Balls(), 32, 8, 4)


@pytest.fixture(scope="session")
def swinging() -> Balls:
    return with_occupancy(Balls(loop=True), 32, 8, 4)


@pytest.fixture
def nothing() -> FunctionField:
    """A field without any density."""
    return FunctionField(lambda xyz, time: (torch.zeros_like(time), torch.zeros_like(xyz)))
