"""Where the field is solid: a lattice around the object, the density of its surface, the surface at one time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...field.occupancy import is_occupied
from ...protocols import Field
from ...render.render import field_occupancy
from ...utils.optional import require
from .clean import solid
from .limits import check_lattice

OPAQUE = 3.0  # optical thickness of a quarter of the object at the surface's level: light left, exp(-3) = 5 %
SOFT = 0.35  # the level is at most this share of the object's middle density: also a faint field has a surface
CONTRAST = 4.0  # logarithms of density / level are cut at +-4: what is far from the level must not pull the surface
SMOOTH = 1.0  # lattice steps: width of the Gaussian that takes the stairs out of a density that jumps
AT_ONCE = 2**17  # points the field is asked for at a time
SLAB = 4 * AT_ONCE  # lattice points at a time, most of which are in air
SURVEY = 64  # cells a side of the cube at which the object is looked for
MARGIN = 3  # lattice steps of air around the object


@dataclass(frozen=True)
class Lattice:
    """Points at low + step * (i, j, k)."""

    low: np.ndarray  # (3,)
    step: float  # world units
    shape: tuple[int, int, int]  # along x, y, z

    def points(self, first: int = 0, last: int | None = None) -> np.ndarray:  # (X * Y * Z, 3), z fastest
        """Of all layers along x, or of layers first .. last - 1."""
        axes = [self.low[a] + self.step * np.arange(self.shape[a]) for a in range(3)]
        axes[0] = axes[0][first:last]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(np.float32)


@dataclass(frozen=True)
class Solid:
    """How to find the surface of a field at any time: one lattice and one level for the whole scene."""

    field: Field
    occupied: Tensor  # (S, G, G, G) bool, z y x
    lattice: Lattice
    level: float  # density
    heard: Callable[[], None]  # called now and then in all that is asked: raising in it cancels

    def density(self, time: float) -> np.ndarray:  # (X, Y, Z) float32
        """A few layers at a time: their points take more memory than their densities."""
        x, y, z = self.lattice.shape
        out, deep = np.empty((x, y, z), np.float32), max(1, SLAB // (y * z))
        for first in range(0, x, deep):
            self.heard()
            points = self.lattice.points(first, first + deep)
            out[first : first + deep] = density(self.field, self.occupied, points, time).reshape(-1, y, z)
        return out

    def surface(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """Points (V, 3) float32 and faces (F, 3) int32 of the closed surface, without floaters; may be none."""
        height = height_of(self.density(time), self.level)
        self.heard()
        return marching_cubes(solid(height), self.lattice)


def quiet() -> None:
    """Nobody listens."""


def find_solid(field: Field, times: np.ndarray, resolution: int, heard: Callable[[], None] = quiet) -> Solid:
    """Look for the object at all its times; resolution is lattice steps along its longest side.

    The level is the density at which a quarter of the object lets through exp(-OPAQUE) of the light."""
    occupied = field_occupancy(field, home(field)).occupied()
    cell = 2.0 / SURVEY
    survey = Lattice(np.full(3, -1.0 + cell / 2), cell, (SURVEY,) * 3).points()
    where, dense, densest = np.zeros(len(survey), bool), [], 0.0
    for time in times:
        heard()
        found = density(field, occupied, survey, float(time))
        opaque = found > _level(2.0)
        where |= opaque
        dense.append(found[opaque])
        densest = max(densest, float(found.max()))
    if not where.any():
        raise ValueError(
            f"the field is empty: nothing in it is opaque (densest {densest:.3g}, needed {_level(2.0):.3g}). "
            "Optimize it for longer, or choose another field."
        )
    low, high = survey[where].min(0) - cell, survey[where].max(0) + cell
    extent = float((high - low).max()) - cell
    level = min(_level(extent), SOFT * float(np.median(np.concatenate(dense))))
    lattice = _around(low, high, extent / resolution)
    check_lattice(lattice.shape, resolution)
    return Solid(field, occupied, lattice, level, heard)


def home(field: Field) -> torch.device:
    """Where a field wants to be asked."""
    return field.table.device if hasattr(field, "table") else torch.device("cpu")


def _level(extent: float) -> float:
    """Density that is opaque over a quarter of an object of this extent, world units."""
    return OPAQUE / (extent / 4.0)


def _around(low: np.ndarray, high: np.ndarray, step: float) -> Lattice:
    low = low - MARGIN * step
    shape = np.ceil((high - low) / step).astype(int) + MARGIN + 1
    return Lattice(low, step, tuple(int(n) for n in shape))


@torch.no_grad()
def density(field: Field, occupied: Tensor, points: np.ndarray, time: float) -> np.ndarray:  # (N, 3) -> (N,)
    """Density at points; 0 outside the cube and in cells that the renderer would skip too."""
    at = torch.from_numpy(points).to(occupied.device)
    asked = is_occupied(occupied, time, at)
    out = torch.zeros(len(at), device=at.device)
    parts = at[asked].split(AT_ONCE)
    out[asked] = torch.cat([field(p, p.new_full((len(p),), time))[0] for p in parts]) if asked.any() else out[:0]
    return out.cpu().numpy()


def height_of(values: np.ndarray, level: float) -> np.ndarray:  # density (X, Y, Z) -> (X, Y, Z), above 0 inside
    """Smooth logarithm of density / level: density falls by a constant factor a step, so this crosses 0 evenly."""
    from scipy.ndimage import gaussian_filter

    height = np.log(np.maximum(values, 1e-9) / level).clip(-CONTRAST, CONTRAST).astype(np.float32)
    height = gaussian_filter(height, SMOOTH, mode="nearest")
    height[[0, -1]] = height[:, [0, -1]] = height[:, :, [0, -1]] = -CONTRAST  # closed also where the cube cuts
    return height


def marching_cubes(height: np.ndarray, lattice: Lattice) -> tuple[np.ndarray, np.ndarray]:
    """Where the height is 0: points (V, 3) and faces (F, 3), outward; both empty if there is nothing above 0."""
    march = require("skimage.measure", "scikit-image", "to find surfaces").marching_cubes
    if height.max() <= 0.0:
        return np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
    points, faces, _, _ = march(height, 0.0, gradient_direction="ascent", allow_degenerate=False)
    return (points * lattice.step + lattice.low).astype(np.float32), faces.astype(np.int32)
