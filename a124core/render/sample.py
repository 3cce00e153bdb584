"""Camera rays, and the samples along them at which a field is evaluated."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.rig import pixel_rays
from ..field.occupancy import OccupancyMask, time_slice
from ..kernels import march
from ..protocols import Cameras, Pinholes

DIAGONAL = 2.0 * 3.0**0.5  # of the cube [-1, 1]^3
NEAR = 0.2  # smallest depth that is sampled (release)


@dataclass(frozen=True)
class Rays:
    """R rays of F frames, each at one time."""

    origins: Tensor  # (R, 3)
    directions: Tensor  # (R, 3), not normalised: the ray parameter is z-depth
    time: Tensor  # (R,)
    jitter: Tensor  # (R,) in [0, 1): offset of a ray's first sample in steps; 0 when nothing is trained

    def __len__(self) -> int:
        return self.origins.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Rays:
        return Rays(self.origins[index], self.directions[index], self.time[index], self.jitter[index])


@dataclass(frozen=True)
class Samples:
    """N samples of R rays, ray by ray, front to back."""

    ray_indices: Tensor  # (N,) ascending
    start: Tensor  # (N,) z-depth at which the step begins
    xyz: Tensor  # (N, 3) middle of the step
    time: Tensor  # (N,)
    step: float  # length, world units of z-depth
    n_rays: int  # R, also those without a sample

    def __len__(self) -> int:
        return self.start.shape[0]

    def __getitem__(self, index: Tensor) -> Samples:
        """Select samples by a mask."""
        parts = (self.ray_indices[index], self.start[index], self.xyz[index], self.time[index])
        return Samples(*parts, self.step, self.n_rays)


def camera_rays(
    cameras: Cameras | Pinholes,  # F
    time: Tensor,  # (F,)
    size: int | tuple[int, int],  # side of a square, or H, W
    jitter: Tensor | None = None,
) -> Rays:
    """Return the rays of all pixels of F cameras at their times, frame by frame, row by row."""
    origins, directions = pixel_rays(cameras, (size, size) if isinstance(size, int) else size)
    time = time.to(origins)[:, None].expand(-1, origins.shape[1]).reshape(-1)
    origins, directions = origins.reshape(-1, 3), directions.reshape(-1, 3)
    return Rays(origins, directions, time, torch.zeros_like(time) if jitter is None else jitter)


def sample_rays(rays: Rays, occupancy_mask: OccupancyMask, n_steps: int) -> Samples:
    """March in steps of diagonal / n_steps through the occupied cells (release)."""
    step, binary = DIAGONAL / n_steps, occupancy_mask.binary
    slices = time_slice(rays.time, binary.shape[0])
    ray_indices, start = march(
        rays.origins, rays.directions, slices, binary, occupancy_mask.aabb, step, rays.jitter, NEAR
    )
    middle = (start + 0.5 * step)[:, None]
    origins, directions, time = (v.index_select(0, ray_indices) for v in (rays.origins, rays.directions, rays.time))
    return Samples(ray_indices, start, torch.addcmul(origins, directions, middle), time, step, len(rays))
