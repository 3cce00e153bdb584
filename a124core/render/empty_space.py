"""Where a finished field is thin air at one moment. The cells that training keeps are wide, and widened again by their
neighbours in space and time, because a field in training moves; three quarters of a picture's samples lie in their air.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..field.occupancy import occupied_at_time, occupied_box
from ..protocols import Field
from .sample import DIAGONAL, OccupancyMask, Rays, sample_rays

CELLS = 128  # a side, at most, but where training's are finer: as wide as a step of a picture of 256 steps
AIR = 1e-3  # density: along the whole diagonal it hides 0.35 % of the light, less than a level of 255
WORTH = 0.25  # points that are asked everywhere, at most, of the samples placed without asking; over half are saved
LOOKS = 8  # everywhere, at most, and where nobody says how fine the field is
GUESSED = 1024  # rays of a picture that are marched to guess how many samples there will be
POINTS_AT_ONCE = 2**16


def is_worthwhile(
    field: Field,
    rays: Rays,  # of one picture, which sees one moment
    space: OccupancyMask,
    samples: int,  # steps across the cube's diagonal
    pictures: int,  # that the look serves
) -> bool:
    """Is the look for air cheaper than what it saves? It is not for small pictures."""
    kept = int(occupied_at_time(space.occupied, float(rays.time[0])).sum())
    asked = kept * _parts(space, samples) ** 3 * samples_per_cell(field, space, samples)
    return asked < WORTH * guess(rays, space, samples) * pictures


def guess(rays: Rays, space: OccupancyMask, samples: int) -> float:
    """How many samples there will be, from rays by chance: no width of a picture gives a column."""
    some = torch.randint(len(rays), (GUESSED,), generator=torch.Generator().manual_seed(0)).to(rays.time.device)
    return len(sample_rays(rays[some], space, samples).ray) * len(rays) / GUESSED


def samples_per_cell(field: Field, space: OccupancyMask, samples: int) -> int:
    """Points that are asked in every cell. A field learns hardly a part thinner than a cell of its finest level; a
    wire that thin fills (side / finest)^2 of a cell's section, and may be found in any of three cells in a row."""
    finest = getattr(getattr(field, "config", None), "finest", None)
    if finest is None:
        return LOOKS
    thinner = finest / (space.occupied.shape[-1] * _parts(space, samples))
    return min(max(math.ceil(0.5 * thinner**2), 1), LOOKS)


@torch.no_grad()
def tighten_occupancy(
    field: Field,
    space: OccupancyMask,
    moment: float,
    samples: int,  # steps across the cube's diagonal
) -> OccupancyMask:  # one slice of time
    """The part of the cells around something at this moment. Random points are asked in each cell of about a step's
    width, then as many again beside what was found, which follows a wire. Cells next to one that is not air stay.
    Samples in what is left lie where they lay before."""
    parts = _parts(space, samples)
    wide = occupied_at_time(space.occupied, moment)
    for axis in range(3):
        wide = wide.repeat_interleave(parts, dim=axis)
    rng = torch.Generator().manual_seed(0)
    filled = torch.zeros_like(wide)
    often = samples_per_cell(field, space, samples)
    for look in range(2 * often):
        asked = wide if look < often else wide & _widened(filled)
        _ask(field, moment, asked & ~filled, filled, rng)
    left = (_widened(filled) & wide)[None]
    return OccupancyMask(left, _box_around(left, space.box, DIAGONAL / samples))


def _ask(field: Field, moment: float, asked: Tensor, filled: Tensor, rng: torch.Generator) -> None:  # (G, G, G) bool
    """Marks in `filled` which of the asked cells are not air at one random point of each."""
    for cells in torch.nonzero(asked).split(POINTS_AT_ONCE):  # (N, 3) z y x
        places = cells.flip(1) + torch.rand(cells.shape, generator=rng).to(cells.device)
        xyz = places * (2.0 / len(asked)) - 1.0
        density, _ = field(xyz, xyz.new_full((len(xyz),), moment))
        filled[cells.unbind(1)] = ~(density <= AIR)  # what is no number is to be seen


def _box_around(left: Tensor, within: Tensor, step: float) -> Tensor:  # (2, 3)
    """A step wider than what is left: a sample is where its step's middle is, and the step must begin in the box."""
    low, high = occupied_box(left)
    return torch.stack((torch.maximum(low - step, within[0]), torch.minimum(high + step, within[1])))


def _parts(space: OccupancyMask, samples: int) -> int:
    """Cells here along a side of one there: a step is 1.7 / samples of the cube's side."""
    return max(int(min(CELLS, 0.5 * samples)) // space.occupied.shape[-1], 1)


def _widened(cells: Tensor) -> Tensor:  # (G, G, G) bool
    """The cells and their 26 neighbours."""
    for axis in range(3):
        narrow, beside = cells, len(cells) - 1
        cells = narrow.clone()
        cells.narrow(axis, 1, beside).logical_or_(narrow.narrow(axis, 0, beside))
        cells.narrow(axis, 0, beside).logical_or_(narrow.narrow(axis, 1, beside))
    return cells
