"""Occupancy grids: which cells may hold density, per slice of time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..protocols import Field


@dataclass(frozen=True)
class OccupancyMask:
    """The cells that may be sampled, per slice of time, and the box around them."""

    binary: Tensor  # (S, G, G, G) bool, index order z, y, x
    aabb: Tensor  # (2, 3) corners x y z

    def at_time(self, time: float) -> Tensor:  # (G, G, G) bool
        """Return the cells of the slice that rays of this time sample: its index is rounded in float32, as theirs."""
        return self.binary[int(time_slice(torch.tensor(time, dtype=torch.float32), len(self.binary)))]

    def contains(self, xyz: Tensor, time: float) -> Tensor:  # (N, 3) -> (N,) bool
        """Return which points lie inside the cube and in a cell that a ray of this time would sample."""
        size = self.binary.shape[-1]
        x, y, z = ((xyz + 1.0) * (0.5 * size)).long().clamp(0, size - 1).unbind(1)
        return self.at_time(time)[z, y, x] & (xyz.abs() <= 1.0).all(1)


@dataclass(frozen=True)
class Occupancy:
    """Highest recent density per cell. Slice k covers times around (k + 1/2) / S: centres are computed, never stored,
    because the release stored them and so refreshed every slice near t = 1/2 (release)."""

    grid: Tensor  # (S, G, G, G) density, index order z, y, x
    threshold: float  # occupied if density > min(mean, threshold)

    def to(self, device: torch.device | str) -> Occupancy:
        return replace(self, grid=self.grid.to(device))

    def over_time(self, slices: int) -> Occupancy:
        """Repeat the first slice, a still field's only one, for every slice of time."""
        return replace(self, grid=self.grid[:1].expand(slices, -1, -1, -1).clone())

    def mask(self) -> OccupancyMask:
        """Return the cells above the threshold and their neighbours in space and time: a moving edge stays inside."""
        limit = torch.minimum(self.grid.mean(), torch.tensor(self.threshold, device=self.grid.device))
        cells = (self.grid > limit).float()
        cells = F.max_pool3d(cells[:, None], 3, stride=1, padding=1)[:, 0]
        padded = torch.cat((cells[-1:], cells, cells[:1]))  # the last slice neighbours the first, as in a loop
        binary = (torch.maximum(torch.maximum(padded[:-2], padded[2:]), cells)) > 0
        return OccupancyMask(binary, bounding_box(binary))


def empty_occupancy(size: int, slices: int, threshold: float) -> Occupancy:
    """Return a grid of zeros: update it before marching."""
    return Occupancy(torch.zeros(slices, size, size, size), threshold)


@torch.no_grad()
def update_occupancy(
    occupancy: Occupancy,
    field: Field,
    decay: float,  # old values fade by this
    rng: torch.Generator,
    batch: int = 2**18,
    within: Tensor | None = None,  # (S, G, G, G) bool: the cells that are evaluated, the others fade; None: all
) -> Occupancy:
    """Evaluate every cell of every slice at one jittered point and one jittered time: new = max(decay old, density)."""
    grid = occupancy.grid
    slices, size = grid.shape[0], grid.shape[-1]
    fresh = []
    for k in range(slices):
        points = cell_points(size, rng).to(grid.device)
        time = ((k + torch.rand(1, generator=rng)) / slices if slices > 1 else torch.zeros(1)).to(grid.device)
        cells = slice(None) if within is None else within[k].flatten()
        density = [field(p, time.expand(p.shape[0]))[0] for p in points[cells].split(batch)]
        values = torch.cat(density)
        if within is not None:
            values = torch.zeros_like(grid[k]).flatten().masked_scatter(cells, values)
        fresh.append(values.view(size, size, size))
    return replace(occupancy, grid=torch.maximum(grid * decay, torch.stack(fresh)))


def field_occupancy(field: Field) -> Occupancy:
    """Return the field's own grid, or a new one (64^3 cells, 16 slices of time, updated twice), on its device."""
    if field.occupancy is not None:
        return field.occupancy.to(field.device)
    rng = torch.Generator().manual_seed(0)
    occupancy = empty_occupancy(64, 16, 1.0).to(field.device)
    return update_occupancy(update_occupancy(occupancy, field, 1.0, rng), field, 1.0, rng)


def cell_points(size: int, rng: torch.Generator) -> Tensor:  # (G^3, 3), x fastest
    """Draw one uniform point in each cell of the cube [-1, 1]^3."""
    axis = torch.arange(size, dtype=torch.float32)
    z, y, x = torch.meshgrid(axis, axis, axis, indexing="ij")
    corner = torch.stack((x, y, z), dim=-1).reshape(-1, 3)
    return (corner + torch.rand(corner.shape, generator=rng)) * (2.0 / size) - 1.0


def time_slice(time: Tensor, slices: int) -> Tensor:  # (R,) in [0, 1] -> (R,) index
    """Return the slice of time of each ray."""
    return (time * slices).long().clamp(0, slices - 1)


def bounding_box(binary: Tensor) -> Tensor:  # (S, G, G, G) bool -> (2, 3) corners, x y z
    """Return the smallest box around all cells that are set; the whole cube if there are none."""
    cells = torch.nonzero(binary.any(dim=0)).flip(1)  # (N, 3) x y z
    if len(cells) == 0:
        return torch.tensor([[-1.0] * 3, [1.0] * 3], device=binary.device)
    return torch.stack((cells.amin(0), cells.amax(0) + 1)).float() * (2.0 / binary.shape[-1]) - 1.0
