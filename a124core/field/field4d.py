"""The 4D grid field of Eq. 1: time grids in one table, one small MLP. A handle is immutable; fork before training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kernels import encode_grid, mlp
from ..protocols import Field
from .config import FieldConfig
from .density import blob_gradient, central_difference, density_of, density_slope
from .grid import grid_levels, rows_per_grid
from .occupancy import Occupancy

MLP_KEYS = ("w1", "b1", "w2", "b2")


@dataclass(frozen=True)
class Field4D(Field):
    """T time grids of multi-resolution features and one MLP."""

    config: FieldConfig
    table: Tensor  # (T, rows, 2)
    mlp: dict[str, Tensor]  # w1 (hidden, 2 levels), b1 (hidden,), w2 (4, hidden), b2 (4,)
    occupancy: Occupancy | None = None
    masked_levels: int = 0  # this many of the finest levels count as zero (coarse to fine)
    smooth_normals: bool = False  # is the density's gradient a central difference? closed form: of the finest level too

    @property
    def loop(self) -> bool:
        return self.config.loop

    @property
    def max_resolution(self) -> int:
        return self.config.max_resolution

    @property
    def device(self) -> torch.device:
        return self.table.device

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """xyz (N, 3) in [-1, 1], time (N,) in [0, 1] -> density (N,), albedo (N, 3)."""
        out = mlp(self._features(xyz, time), *(self.mlp[key] for key in MLP_KEYS))
        return density_of(out[:, 0], xyz, self.config), torch.sigmoid(out[:, 1:])

    def density_gradient(self, xyz: Tensor, time: Tensor) -> Tensor:  # (N, 3)
        """Return d density / d xyz, blob included, differentiable with respect to table and MLP: in closed form, or as
        differences."""
        if self.smooth_normals:
            return central_difference(self, xyz, time)
        out, hidden = self._mlp(self._features(xyz, time))
        to_features = (self.mlp["w2"][0] * (hidden > 0)) @ self.mlp["w1"]  # d raw / d features, (N, 2 levels)
        slopes = self._pad(encode_grid(self.table, xyz, time, self._levels(), self.config.loop, slopes=True))
        raw_gradient = torch.stack([(to_features * slopes[axis]).sum(1) for axis in range(3)], dim=1)
        return density_slope(out[:, 0], xyz, self.config)[:, None] * (raw_gradient + blob_gradient(xyz, self.config))

    def features_per_grid(self, xyz: Tensor) -> Tensor:  # (N, 3) -> (T, N, 2 levels)
        """Encode the same points in every time grid (the sampled temporal TV)."""
        return torch.stack(
            [encode_grid(grid[None], xyz, torch.zeros_like(xyz[:, 0]), self._levels()) for grid in self.table]
        )

    def _levels(self) -> tuple:
        levels = grid_levels(self.config)
        return levels[: len(levels) - self.masked_levels]

    def _features(self, xyz: Tensor, time: Tensor) -> Tensor:
        return self._pad(encode_grid(self.table, xyz, time, self._levels(), self.config.loop))

    def _pad(self, features: Tensor) -> Tensor:
        return F.pad(features, (0, 2 * self.masked_levels)) if self.masked_levels else features

    def _mlp(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output (N, 4) and the hidden units (N, hidden), 0 where they are not active."""
        hidden = F.linear(features, self.mlp["w1"], self.mlp["b1"]).relu()
        return F.linear(hidden, self.mlp["w2"], self.mlp["b2"]), hidden

    def to(self, device: torch.device | str | None) -> Field4D:
        device = device or self.device
        return self._converted(lambda value: value.to(device), device)

    def fork(self, device: torch.device | str = "cpu") -> Field4D:
        """Return a copy that shares no memory with this one, with every tensor ready to be trained."""
        return self._converted(lambda value: value.detach().to(device, copy=True).requires_grad_(True), device)

    def at_rest(self) -> Field4D:
        """Return a detached copy on the CPU that shares no memory: what nodes pass on."""
        copy = self._converted(lambda value: value.detach().cpu().clone(), "cpu")
        return replace(copy, masked_levels=0, smooth_normals=False)

    def at_time_0(self) -> Field4D:
        """Return a copy at rest of the scene at time 0 alone: one time grid."""
        table = self.table[:1]
        occupancy = None if self.occupancy is None else self.occupancy.over_time(1)
        return replace(self, config=replace(self.config, time_grids=1), table=table, occupancy=occupancy).at_rest()

    def _converted(self, convert: Callable[[Tensor], Tensor], device: torch.device | str) -> Field4D:
        """Convert table and MLP, and move the occupancy."""
        occupancy = None if self.occupancy is None else self.occupancy.to(device)
        mlp = {key: convert(value) for key, value in self.mlp.items()}
        return replace(self, table=convert(self.table), mlp=mlp, occupancy=occupancy)


def new_field(config: FieldConfig, rng: torch.Generator) -> Field4D:
    """Initialise tables uniform in (-init_scale, init_scale), the MLP as torch does by default (release)."""
    rows, features = rows_per_grid(config), 2 * config.levels
    table = _uniform((config.time_grids, rows, 2), config.init_scale, rng)
    mlp = {
        "w1": _uniform((config.hidden, features), features**-0.5, rng),
        "b1": _uniform((config.hidden,), features**-0.5, rng),
        "w2": _uniform((4, config.hidden), config.hidden**-0.5, rng),
        "b2": _uniform((4,), config.hidden**-0.5, rng),
    }
    return Field4D(config, table, mlp)


def _uniform(shape: tuple[int, ...], bound: float, rng: torch.Generator) -> Tensor:
    return (torch.rand(shape, generator=rng) * 2.0 - 1.0) * bound


def from_static(field: Field4D, time_grids: int, slices: int, loop: bool = False) -> Field4D:
    """Copy the still grid to every time grid (release): frame for frame the same image at step 0."""
    if field.table.shape[0] != 1:
        return replace(field, config=replace(field.config, loop=loop))
    if time_grids < 2:
        raise ValueError(
            f"time_grids is {time_grids}: a moving scene needs at least 2. Choose 16 or more in the field config."
        )
    table = field.table.detach().expand(time_grids, -1, -1).clone()
    occupancy = None if field.occupancy is None else field.occupancy.over_time(slices)
    config = replace(field.config, time_grids=time_grids, loop=loop)
    return replace(field, config=config, table=table, occupancy=occupancy)
