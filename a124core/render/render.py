"""Volume rendering: rays through a field to pixels, with gradients (clip.py: finished images)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..cameras.rig import pixel_rays
from ..field.gradient import density_gradient, normals_from
from ..field.occupancy import Occupancy, empty_occupancy, occupied_box, update_occupancy
from ..protocols import Cameras, Field, Pinholes, Shading
from .composite import accumulate, over, render_weights, transmittance
from .sample import OccupancyMask, Rays, Samples, sample_rays
from .shading import shade

DARK = 1e-4  # transmittance below which a ray is at its end (release)


@dataclass(frozen=True)
class Render:
    """Pixels of R rays, and what the per-sample regularisers need."""

    image: Tensor  # (R, 3)
    opacity: Tensor  # (R, 1)
    depth: Tensor  # (R, 1) sum of weights times the far end of each step, z-depth, not divided by opacity (release)
    normal: Tensor | None  # (R, 3) sum of weights times (n + 1) / 2, density detached; None without normals
    weights: Tensor  # (N,)
    sample_normals: Tensor | None  # (N, 3)
    samples: Samples
    marched: int  # samples placed, also those that no light reaches: what means over samples divide by


def render(
    field: Field,
    rays: Rays,
    space: OccupancyMask,
    samples: int,  # steps across the cube's diagonal
    background: Tensor,  # (3,)
    shading: Shading,
    light: Tensor | None = None,  # (R, 3) per ray
    normals: bool = False,  # wanted even where shading does not need them
    early_stop: bool = False,  # leave out what no light reaches: pays where there will be a backward pass
) -> Render:
    """Volume rendering of rays through any field."""
    placed = sample_rays(rays, space, samples)
    count = len(placed.ray)
    if early_stop:
        placed = visible(field, placed, len(rays))
    density, albedo = field(placed.xyz, placed.time)
    weights = render_weights(density, placed, len(rays))
    sample_normals = None
    if normals or shading.mode != "albedo":
        sample_normals = normals_from(density_gradient(field, placed.xyz, placed.time))
    colour = shade(albedo, sample_normals, None if light is None else light[placed.ray], shading)
    return _pixels(weights, colour, sample_normals, placed, len(rays), background, count)


@torch.no_grad()
def visible(field: Field, placed: Samples, rays: int) -> Samples:
    """The samples that light still reaches: the release stops a ray below a transmittance of 1e-4. What is hidden
    inside an object, most of its samples, then costs a look at its density but no gradient."""
    density, _ = field(placed.xyz, placed.time)
    return placed[transmittance(density, placed, rays) > DARK]


def _pixels(
    weights: Tensor,
    colour: Tensor,
    sample_normals: Tensor | None,
    placed: Samples,
    rays: int,
    background: Tensor,
    marched: int,
) -> Render:
    """Everything that is summed along a ray, in one pass."""
    far = (placed.start + placed.step)[:, None]
    sums = accumulate(weights, torch.cat((colour, torch.ones_like(far), far), dim=1), placed.ray, rays)
    opacity = sums[:, 3:4]
    normal = None
    if sample_normals is not None:
        normal = accumulate(weights.detach(), 0.5 * (sample_normals + 1.0), placed.ray, rays)
    image = over(sums[:, :3], opacity, background)
    return Render(image, opacity, sums[:, 4:5], normal, weights, sample_normals, placed, marched)


def camera_rays(
    cameras: Cameras | Pinholes,  # F
    time: Tensor,  # (F,)
    size: int | tuple[int, int],  # side of a square, or H, W
    jitter: Tensor | None = None,
) -> Rays:
    """All pixels of F cameras at their times, frame by frame, row by row."""
    origins, directions = pixel_rays(cameras, _sides(size))
    time = time.to(origins)[:, None].expand(-1, origins.shape[1]).reshape(-1)
    origins, directions = origins.reshape(-1, 3), directions.reshape(-1, 3)
    if jitter is None:
        jitter = torch.zeros_like(time)
    return Rays(origins, directions, time, jitter)


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:  # H, W
    return (size, size) if isinstance(size, int) else size


def occupancy_mask(occupancy: Occupancy) -> OccupancyMask:
    """The cells that a marcher may sample."""
    occupied = occupancy.occupied()
    return OccupancyMask(occupied, occupied_box(occupied))


def field_occupancy(field: Field, device: torch.device) -> Occupancy:
    """The field's own, or one made now: 64^3 cells, 16 slices of time, two looks at each."""
    own = getattr(field, "occupancy", None)
    if own is not None:
        return own.to(device)
    rng = torch.Generator().manual_seed(0)
    made = empty_occupancy(64, 16, 1.0).to(device)
    return update_occupancy(update_occupancy(made, field, 1.0, rng), field, 1.0, rng)
