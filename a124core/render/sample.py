"""Rays and occupancy to the samples a field is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..field.occupancy import time_slice
from ..kernels import march

DIAGONAL = 2.0 * 3.0**0.5  # of the cube [-1, 1]^3
NEAR = 0.2  # smallest depth that is sampled (release)


@dataclass(frozen=True)
class Rays:
    """R rays of F frames; each ray sees one moment."""

    origins: Tensor  # (R, 3)
    directions: Tensor  # (R, 3), not normalised: the ray parameter is z-depth
    time: Tensor  # (R,)
    jitter: Tensor  # (R,) in [0, 1): where in its first step a ray starts; 0 when nothing is trained

    def __len__(self) -> int:
        return self.origins.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Rays:
        return Rays(self.origins[index], self.directions[index], self.time[index], self.jitter[index])


@dataclass(frozen=True)
class OccupancyMask:
    """Where samples are allowed: occupied cells per slice of time, and the box around them."""

    occupied: Tensor  # (S, G, G, G) bool
    box: Tensor  # (2, 3)


@dataclass(frozen=True)
class Samples:
    """N samples of R rays, ray by ray, front to back."""

    ray: Tensor  # (N,) ascending
    start: Tensor  # (N,) z-depth at which the step begins
    xyz: Tensor  # (N, 3) middle of the step
    time: Tensor  # (N,)
    step: float

    def __getitem__(self, kept: Tensor) -> Samples:
        """Some of the samples, by a mask."""
        return Samples(self.ray[kept], self.start[kept], self.xyz[kept], self.time[kept], self.step)


def sample_rays(rays: Rays, space: OccupancyMask, samples: int) -> Samples:
    """Steps of diagonal / samples through the occupied cells (release)."""
    step = DIAGONAL / samples
    ray_slice = time_slice(rays.time, space.occupied.shape[0])
    ray, start = march(rays.origins, rays.directions, ray_slice, space.occupied, space.box, step, rays.jitter, NEAR)
    middle = (start + 0.5 * step)[:, None]
    origins, directions, time = (v.index_select(0, ray) for v in (rays.origins, rays.directions, rays.time))
    return Samples(ray, start, torch.addcmul(origins, directions, middle), time, step)
