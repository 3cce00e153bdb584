"""Where a finished field is thin air at one moment. The cells that training keeps are wide, and widened again by their
neighbours in space and time, because a field in training moves; three quarters of a picture's samples lie in their air.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..field.occupancy import occupied_box
from ..protocols import Field
from .sample import DIAGONAL, Marched, Rays, place_samples

CELLS = 128  # a side, at most: 2 MB; as wide as a step where a picture has the 256 steps of a finished one
AIR = 1e-3  # density: along the whole diagonal it hides 0.35 % of the light, less than a level of 255
WORTH = 0.25  # points that are asked, at most, of the samples that are placed without asking; over half are saved
EVERY = 61  # rays per ray that is marched to guess how many samples there will be; no side of a picture divides it
POINTS_AT_ONCE = 2**16


def pays(
    rays: Rays,  # of one picture, which sees one moment
    space: Marched,
    samples: int,  # steps across the cube's diagonal
    pictures: int,  # that see this moment
) -> bool:
    """Is the look for air cheaper than what it saves? It is not for small pictures."""
    asked = int(space.occupied[_slice(space, float(rays.time[0]))].sum()) * _parts(space, samples) ** 3
    placed = EVERY * len(place_samples(rays[::EVERY], space, samples).ray)
    return asked < WORTH * placed * pictures


@torch.no_grad()
def without_air(
    field: Field,
    space: Marched,
    moment: float,
    samples: int,  # steps across the cube's diagonal
) -> Marched:  # one slice of time
    """The part of the cells around something at this moment: one random point is asked in each cell of about
    a step's width, and cells next to one that is not air stay. Samples in what is left lie where they lay before."""
    parts = _parts(space, samples)
    wide = space.occupied[_slice(space, moment)]
    for axis in range(3):
        wide = wide.repeat_interleave(parts, dim=axis)
    cells = torch.nonzero(wide)  # (N, 3) z y x
    rng = torch.Generator().manual_seed(0)
    places = cells.flip(1) + torch.rand(cells.shape, generator=rng).to(wide.device)
    points = places * (2.0 / len(wide)) - 1.0
    time = points.new_full((POINTS_AT_ONCE,), moment)
    filled = torch.zeros_like(wide)
    for where, xyz in zip(cells.split(POINTS_AT_ONCE), points.split(POINTS_AT_ONCE), strict=True):
        density, _ = field(xyz, time[: len(xyz)])
        filled[where.unbind(1)] = ~(density <= AIR)  # what is no number is to be seen
    left = (_widened(filled) & wide)[None]
    return Marched(left, _box_around(left, space.box, DIAGONAL / samples))


def _box_around(left: Tensor, within: Tensor, step: float) -> Tensor:  # (2, 3)
    """A step wider than what is left: a sample is where its step's middle is, and the step must begin in the box."""
    low, high = occupied_box(left)
    return torch.stack((torch.maximum(low - step, within[0]), torch.minimum(high + step, within[1])))


def _parts(space: Marched, samples: int) -> int:
    """Cells here along a side of one there: a step is 1.7 / samples of the cube's side."""
    return math.ceil(min(CELLS, 0.5 * samples) / space.occupied.shape[-1])


def _slice(space: Marched, moment: float) -> int:
    slices = len(space.occupied)
    return min(max(int(moment * slices), 0), slices - 1)


def _widened(cells: Tensor) -> Tensor:  # (G, G, G) bool
    """The cells and their 26 neighbours."""
    for axis in range(3):
        narrow, beside = cells, len(cells) - 1
        cells = narrow.clone()
        cells.narrow(axis, 1, beside).logical_or_(narrow.narrow(axis, 0, beside))
        cells.narrow(axis, 0, beside).logical_or_(narrow.narrow(axis, 1, beside))
    return cells
