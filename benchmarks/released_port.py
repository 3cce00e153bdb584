"""The released scheme in plain torch, as its description says: the baseline that benchmarks name "straight port".

T encoders, one per time grid. A batch goes through all of them: encoder k gets the samples between whose two grids it
is, found by a mask, and adds its share. Normals are central differences: six more queries of the whole field."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from a124core.field.config import FieldConfig
from a124core.field.density import central_difference, density_of
from a124core.field.field4d import Field4D
from a124core.field.grid import grid_levels
from a124core.kernels.torch_impl import ops as torch_ops
from a124core.protocols import Field


@dataclass(frozen=True)
class StraightPort(Field):
    """The same field as a Field4D of the same numbers, asked in the released way."""

    config: FieldConfig
    tables: list[Tensor]  # T times (1, rows, 2)
    mlp: dict[str, Tensor]

    def __call__(self, xyz: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """xyz (N, 3), time (N,) -> density (N,), albedo (N, 3)."""
        hidden = F.linear(self._features(xyz, time), self.mlp["w1"], self.mlp["b1"]).relu()
        out = F.linear(hidden, self.mlp["w2"], self.mlp["b2"])
        return density_of(out[:, 0], xyz, self.config), torch.sigmoid(out[:, 1:])

    def density_gradient(self, xyz: Tensor, time: Tensor) -> Tensor:  # (N, 3)
        """Return the slope by six queries, 0.01 to each side."""
        return central_difference(self, xyz, time)

    def _features(self, xyz: Tensor, time: Tensor) -> Tensor:
        levels = grid_levels(self.config)
        features = xyz.new_zeros(xyz.shape[0], 2 * len(levels))
        position = time * (len(self.tables) - 1)
        for k, table in enumerate(self.tables):
            share = (1.0 - (position - k).abs()).clamp_min(0.0)
            mask = share > 0
            if bool(mask.any()):
                own = torch_ops.encode_grid(table, xyz[mask], torch.zeros_like(time[mask]), levels)
                features = features.index_put((torch.nonzero(mask).squeeze(1),), share[mask, None] * own, True)
        return features


def straight_port(field: Field4D) -> StraightPort:
    """A copy of a field's numbers, with one table per time grid, ready to be trained."""
    tables = [grid[None].detach().clone().requires_grad_(True) for grid in field.table]
    mlp = {name: value.detach().clone().requires_grad_(True) for name, value in field.mlp.items()}
    return StraightPort(field.config, tables, mlp)
