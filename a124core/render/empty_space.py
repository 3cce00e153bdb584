"""Skip empty space in finished images: a tighter occupancy mask for one time. The cells that training keeps are wide
and dilated in space and time, because a field in training moves; three quarters of an image's samples in them lie in
empty space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..field.occupancy import OccupancyMask, bounding_box
from ..protocols import Field
from .sample import DIAGONAL, Rays, sample_rays

MAX_CELLS = 128  # a side, but where training's are finer: as wide as a step of an image of 256 steps
EMPTY_DENSITY = 1e-3  # at most: along the whole diagonal it hides 0.35 % of the light, less than a level of 255
MAX_COST = 0.25  # evaluations, as a share of the samples without it; over half of those are saved
MAX_SAMPLES_PER_CELL = 8  # also where the field's max_resolution is unknown
ESTIMATE_RAYS = 1024  # random rays of an image that are marched to estimate its number of samples
BATCH = 2**16  # points evaluated at once


def is_worthwhile(
    field: Field,
    rays: Rays,  # of one image, all of one time
    occupancy_mask: OccupancyMask,
    n_steps: int,  # across the cube's diagonal
    n_images: int,  # that share the tightened mask
) -> bool:
    """Return whether tightening costs less than it saves: for small images it does not."""
    occupied = int(occupancy_mask.at_time(float(rays.time[0])).sum())
    per_cell = _subdivision(occupancy_mask, n_steps) ** 3 * samples_per_cell(field, occupancy_mask, n_steps)
    return occupied * per_cell < MAX_COST * estimate_samples(rays, occupancy_mask, n_steps) * n_images


def estimate_samples(rays: Rays, occupancy_mask: OccupancyMask, n_steps: int) -> float:
    """Estimate the samples of an image from random rays: regular ones may all lie in one column."""
    rng = torch.Generator().manual_seed(0)
    index = torch.randint(len(rays), (ESTIMATE_RAYS,), generator=rng).to(rays.time.device)
    return len(sample_rays(rays[index], occupancy_mask, n_steps)) * len(rays) / ESTIMATE_RAYS


def samples_per_cell(field: Field, occupancy_mask: OccupancyMask, n_steps: int) -> int:
    """Return the points to evaluate in every cell. A field hardly learns a part thinner than a cell of its finest
    level; a wire that thin fills (side / max_resolution)^2 of a cell's section and crosses three cells in a row."""
    if field.max_resolution is None:
        return MAX_SAMPLES_PER_CELL
    ratio = field.max_resolution / (occupancy_mask.binary.shape[-1] * _subdivision(occupancy_mask, n_steps))
    return min(max(math.ceil(0.5 * ratio**2), 1), MAX_SAMPLES_PER_CELL)


@torch.no_grad()
def tighten_occupancy(
    field: Field,
    occupancy_mask: OccupancyMask,
    time: float,
    n_steps: int,  # across the cube's diagonal
) -> OccupancyMask:  # one slice of time
    """Return the occupied cells at this time, about a step wide, and their neighbours.

    Random points are evaluated in each cell, then as many again beside the occupied ones, which follows a wire. The
    samples that remain lie where they lay before."""
    parts = _subdivision(occupancy_mask, n_steps)
    allowed = occupancy_mask.at_time(time)
    for axis in range(3):
        allowed = allowed.repeat_interleave(parts, dim=axis)
    rng = torch.Generator().manual_seed(0)
    occupied = torch.zeros_like(allowed)
    rounds = samples_per_cell(field, occupancy_mask, n_steps)
    for k in range(2 * rounds):
        cells = allowed if k < rounds else allowed & _dilated(occupied)
        _mark_occupied(field, time, cells & ~occupied, occupied, rng)
    binary = (_dilated(occupied) & allowed)[None]
    # A step wider: a sample is where its step's middle is, and the step must begin in the box.
    (low, high), step, limits = bounding_box(binary), DIAGONAL / n_steps, occupancy_mask.aabb
    aabb = torch.stack((torch.maximum(low - step, limits[0]), torch.minimum(high + step, limits[1])))
    return OccupancyMask(binary, aabb)


def _mark_occupied(field: Field, time: float, cells: Tensor, occupied: Tensor, rng: torch.Generator) -> None:
    """Evaluate one random point of each of these cells (G, G, G) and set in `occupied` those that are not empty."""
    for index in torch.nonzero(cells).split(BATCH):  # (N, 3) z y x
        corners = index.flip(1) + torch.rand(index.shape, generator=rng).to(index.device)
        xyz = corners * (2.0 / len(cells)) - 1.0
        density, _ = field(xyz, xyz.new_full((len(xyz),), time))
        occupied[index.unbind(1)] = ~(density <= EMPTY_DENSITY)  # NaN counts as occupied, so that it shows


def _subdivision(occupancy_mask: OccupancyMask, n_steps: int) -> int:
    """Return how many cells a side of the mask's cell is split into: a step is 1.7 / n_steps of the cube's side."""
    return max(int(min(MAX_CELLS, 0.5 * n_steps)) // occupancy_mask.binary.shape[-1], 1)


def _dilated(cells: Tensor) -> Tensor:  # (G, G, G) bool
    """Return the cells and their 26 neighbours."""
    for axis in range(3):
        source, length = cells, len(cells) - 1
        cells = source.clone()
        cells.narrow(axis, 1, length).logical_or_(source.narrow(axis, 0, length))
        cells.narrow(axis, 0, length).logical_or_(source.narrow(axis, 1, length))
    return cells
