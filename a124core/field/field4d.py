"""The field of Eq. 1: time grids in one table, one small MLP. A handle is immutable; fork before training.

HexPlane holds its planes of space and time in the table, one line of each at every time grid; those of space apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..kernels import encode_grid, encode_planes, encode_tcnn, mlp
from ..protocols import Field
from .config import FieldConfig
from .density import blob_gradient, central_difference, density_of, density_slope
from .grid import grid_levels
from .hexplane import plane_levels
from .layout import PLANES, features_per_level, n_features, table_shapes
from .occupancy import Occupancy
from .tcnn_grid import tcnn_grid

MLP_KEYS = ("w1", "b1", "w2", "b2")


@dataclass(frozen=True)
class Field4D(Field):
    """T time grids of multi-resolution features and one MLP."""

    config: FieldConfig
    table: Tensor  # (T, rows, 2)
    mlp: dict[str, Tensor]  # w1 (hidden, C levels), b1 (hidden,), w2 (4, hidden), b2 (4,); C 2, or 6 of HexPlane
    occupancy: Occupancy | None = None
    masked_levels: int = 0  # this many of the finest levels count as zero (coarse to fine)
    smooth_normals: bool = False  # is the density's gradient a central difference? closed form: of the finest level too
    planes: Tensor | None = None  # (P, 2) of HexPlane: its planes of space; None: another backbone
    front: float = 0.0  # degrees of azimuth that the reference image was taken from

    @property
    def loop(self) -> bool:
        return self.config.loop

    @property
    def max_resolution(self) -> int:
        return self.config.max_resolution

    @property
    def device(self) -> torch.device:
        return self.table.device

    @property
    def tables(self) -> dict[str, Tensor]:
        """What holds features, by the names of layout.table_shapes."""
        return {"table": self.table} if self.planes is None else {"table": self.table, PLANES: self.planes}

    @property
    def parameters(self) -> dict[str, Tensor]:
        """All that is learned, by the names of layout.parameter_shapes."""
        return {**self.tables, **{key: self.mlp[key] for key in MLP_KEYS}}

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
        to_features = (self.mlp["w2"][0] * (hidden > 0)) @ self.mlp["w1"]  # d raw / d features, (N, C levels)
        slopes = self._pad(self._encode(self.table, xyz, time, slopes=True))
        raw_gradient = torch.stack([(to_features * slopes[axis]).sum(1) for axis in range(3)], dim=1)
        return density_slope(out[:, 0], xyz, self.config)[:, None] * (raw_gradient + blob_gradient(xyz, self.config))

    def features_per_grid(self, xyz: Tensor) -> Tensor:  # (N, 3) -> (T, N, C levels)
        """Encode the same points in every time grid (the sampled temporal TV)."""
        return torch.stack([self._encode(grid[None], xyz, torch.zeros_like(xyz[:, 0])) for grid in self.table])

    def _encode(self, table: Tensor, xyz: Tensor, time: Tensor, slopes: bool = False) -> Tensor:
        """Return the features of the levels that are not masked, or their slopes, by the backbone."""
        config, count = self.config, self.config.levels - self.masked_levels
        if self.planes is not None:
            return encode_planes(self.planes, table, xyz, time, plane_levels(config)[:count], config.loop, slopes)
        levels = grid_levels(config)[:count]
        if config.backbone == "tiny-cuda-nn":
            return encode_tcnn(table, xyz, time, levels, tcnn_grid(config, count), config.loop, slopes)
        return encode_grid(table, xyz, time, levels, config.loop, slopes)

    def _features(self, xyz: Tensor, time: Tensor) -> Tensor:
        return self._pad(self._encode(self.table, xyz, time))

    def _pad(self, features: Tensor) -> Tensor:
        masked = features_per_level(self.config) * self.masked_levels
        return F.pad(features, (0, masked)) if masked else features

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
        """Convert tables and MLP, and move the occupancy."""
        occupancy = None if self.occupancy is None else self.occupancy.to(device)
        mlp = {key: convert(value) for key, value in self.mlp.items()}
        planes = None if self.planes is None else convert(self.planes)
        return replace(self, table=convert(self.table), planes=planes, mlp=mlp, occupancy=occupancy)


def new_field(config: FieldConfig, rng: torch.Generator) -> Field4D:
    """Initialise tables uniform in (-init_scale, init_scale), the MLP as torch does by default (release)."""
    features = n_features(config)
    tables = {name: _uniform(shape, config.init_scale, rng) for name, shape in table_shapes(config).items()}
    mlp = {
        "w1": _uniform((config.hidden, features), features**-0.5, rng),
        "b1": _uniform((config.hidden,), features**-0.5, rng),
        "w2": _uniform((4, config.hidden), config.hidden**-0.5, rng),
        "b2": _uniform((4,), config.hidden**-0.5, rng),
    }
    return Field4D(config, tables["table"], mlp, planes=tables.get(PLANES))


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
