"""Points of a model's surface, of both sides where both are seen, and the cameras around it that see which are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..cameras.rig import make_cameras
from ..protocols import Cameras
from .sequence import Model

BATCH = 1_000_000  # points at once: 100 MB
ROWS = ((0.0, 8), (40.0, 6), (-40.0, 6), (80.0, 3), (-80.0, 3))  # elevation and count of the cameras around a model
DISTANCE, FOVY = 3.0, 45.0  # of these cameras: a model whose longest side is 1 fills half of their image


@dataclass(frozen=True)
class SurfacePoints:
    """Oriented coloured points of a surface."""

    points: Tensor  # (N, 3) world
    normals: Tensor  # (N, 3) outward unit
    colours: Tensor  # (N, 3) sRGB in [0, 1]
    weights: Tensor  # (N,) of each in a mean

    def thinned(self, cell: float) -> SurfacePoints:
        """Return the mean of those that lie in the same cube of a grid and face the same way along the same axis."""
        axis = self.normals.abs().argmax(1)
        facing = 2 * axis + (self.normals.gather(1, axis[:, None])[:, 0] > 0)
        places = (self.points / cell).floor().long()
        places = places - places.amin(0)
        key = facing
        for k in range(3):
            key = key * (int(places[:, k].max()) + 1) + places[:, k]
        index = key.unique(return_inverse=True)[1]
        total = torch.zeros(int(index.max()) + 1).index_add(0, index, self.weights)
        means = [
            torch.zeros(len(total), 3).index_add(0, index, values * self.weights[:, None]) / total[:, None]
            for values in (self.points, self.normals, self.colours)
        ]
        return SurfacePoints(means[0], normalize(means[1], dim=1), means[2].clamp(0, 1), total)


def in_batches(sizes: Tensor, sample: Callable[[Tensor], SurfacePoints], cell: float) -> SurfacePoints:
    """Sample elements (N,) of which each gives so many points, BATCH points at once, and thin them."""
    batch = (sizes.double().cumsum(0) / BATCH).long()
    parts = [sample((batch == k).nonzero()[:, 0]).thinned(cell) for k in batch.unique().tolist()]
    return parts[0] if len(parts) == 1 else joined(parts).thinned(cell)


def joined(parts: list[SurfacePoints]) -> SurfacePoints:
    """Return all points of several surfaces."""
    return SurfacePoints(*(torch.cat(values) for values in zip(*(vars(part).values() for part in parts), strict=True)))


def cameras_around() -> Cameras:
    """Return cameras that see a model around the origin, whose longest side is 1, from all sides."""
    rows = [(elevation, 360.0 * (k + 0.5) / count) for elevation, count in ROWS for k in range(count)]
    return make_cameras(*(list(angles) for angles in zip(*rows, strict=True)), DISTANCE, FOVY)


def in_the_middle(model: Model) -> Model:
    """Return a model as cameras_around see it: around the origin, its longest side 1."""
    low, high = model.box
    scale = 1 / (high - low).max().clamp_min(1e-12)
    return model.transformed(scale * torch.eye(3), -scale * (low + high) / 2)
