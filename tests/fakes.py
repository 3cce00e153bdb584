"""Stand-ins that several test files share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from a124core.field.occupancy import Occupancy, empty_occupancy, update_occupancy
from a124core.priors.noise import scaled_linear_sigmas
from a124core.protocols import Cameras, Field, Prior, View

EVERYWHERE = Occupancy(torch.ones(1, 4, 4, 4), 0.5)  # every cell is occupied at all times
MIDDLE = Occupancy(torch.zeros(1, 16, 16, 16), 0.5)  # only cells within 0.5 of the origin, 0.625 with their neighbours
MIDDLE.grid[:, 4:12, 4:12, 4:12] = 1.0


@dataclass(frozen=True)
class FunctionField(Field):
    """A field around a function."""

    function: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # xyz (N, 3), time (N,) -> density (N,), albedo (N, 3)
    occupancy: Occupancy | None = None
    loop: bool = False

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        return self.function(xyz, time)


@dataclass
class PixelPrior(Prior):
    """A prior whose x0 is the image itself, the identity as its denoiser. clip: F images are one item."""

    cameras: Cameras | None = None
    clip: bool = False
    sigmas = scaled_linear_sigmas()

    def encode(self, image: Tensor) -> Tensor:
        return image.transpose(0, 1)[None] if self.clip else image

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return x_t


def with_occupancy(field: Any, size: int, slices: int, updates: int) -> Any:
    """The same field with size^3 cells for each slice of time, updated that often."""
    rng = torch.Generator().manual_seed(0)
    occupancy = empty_occupancy(size, slices, 1.0)
    for _ in range(updates):
        occupancy = update_occupancy(occupancy, field, 1.0, rng)
    return replace(field, occupancy=occupancy)
