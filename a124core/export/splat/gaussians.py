"""A field at one time as Gaussians of one size on an even lattice, wherever a camera around the scene sees density.

A sum of such Gaussians is a smooth density again, so that soft edges stay as soft as the field has them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...cameras.rig import FOVY, make_cameras
from ...field.occupancy import field_occupancy
from ...kernels import render_weights
from ...protocols import Cameras, Field
from ...render.empty_space import tighten_occupancy
from ...render.sample import camera_rays, sample_rays
from ...utils.progress import OnProgress, ProgressCounter
from ...utils.validate import check_range

VIEWS, VIEW_SIZE = 20, 144  # cameras around the scene, and pixels a side: what none of them sees is left out
N_STEPS = 256  # of a ray, across the cube's diagonal
RAYS_AT_ONCE, POINTS_AT_ONCE = 2**13, 2**16
CELLS = 128  # a side of the grid of visible cells: wider than a pixel of the views and than a step
MIN_WEIGHT = 2e-3  # of a sample that makes its cell visible, half a level of 255
MIN_SPACING = 2.0 / 512  # of the lattice, world units
STD = 0.48  # lattice spacings: a smaller one shows the lattice, a larger one blurs
DENSITY_GAIN = 1.5  # hosts blend in linear light, in which a background shines through more than in a field's images
MIN_ALPHA, MAX_ALPHA = 1 / 255, 0.999  # a renderer skips fainter Gaussians (Kerbl et al. 2023); a logit stays finite


@dataclass(frozen=True)
class SplatOptions:
    """Number of Gaussians, and their scene time."""

    gaussians: int = 200_000  # at most
    time: float = 0.0  # in [0, 1]

    def __post_init__(self) -> None:
        check_range(self, 1000, 1_000_000, "gaussians")
        check_range(self, 0.0, 1.0, "time")


@dataclass(frozen=True, eq=False)
class Splat:
    """Round Gaussians of one size in the field's world."""

    means: Tensor  # (N, 3) float32, on the CPU
    std: float  # standard deviation along every axis, world units
    rgba: Tensor  # (N, 4) sRGB colour and peak opacity in [0, 1]


@torch.no_grad()
def field_to_splat(field: Field, options: SplatOptions, on_progress: OnProgress | None = None) -> Splat:
    """Fill what is visible of the field with Gaussians; a first lattice shows how many of its points are empty."""
    progress = ProgressCounter(VIEWS + 2, on_progress, text="looking from all sides")
    progress.report()
    corners = _visible_cells(field, options.time, progress)
    spacing = _spacing(len(corners) * (2.0 / CELLS) ** 3, options.gaussians)
    means, rgba = _fill(field, corners, options.time, spacing, progress)
    if len(means) == 0:
        raise ValueError(f"nothing is visible in the field at time {options.time:g}: optimize it, or choose another.")
    spacing = _spacing(len(means) * spacing**3, options.gaussians)
    means, rgba = _fill(field, corners, options.time, spacing, progress)
    densest = rgba[:, 3].topk(min(len(means), options.gaussians)).indices.sort()[0]
    return Splat(means[densest].cpu(), STD * spacing, rgba[densest].cpu())


def _spacing(volume: float, count: int) -> float:
    """Return the spacing of a lattice with that many points in a volume."""
    return max((volume / count) ** (1 / 3), MIN_SPACING)


def _visible_cells(field: Field, time: float, progress: ProgressCounter) -> Tensor:  # (C, 3) lowest corners
    """Return those cells of a grid of the cube in which a camera sees density."""
    mask = tighten_occupancy(field, field_occupancy(field).mask(), time, N_STEPS)
    progress.report()
    cameras = cameras_around(VIEWS, float(mask.aabb.abs().amax(0).norm()))
    visible = torch.zeros((CELLS,) * 3, dtype=torch.bool, device=field.device)
    for k in range(VIEWS):
        rays = camera_rays(cameras[k : k + 1].to(field.device), torch.tensor([time], device=field.device), VIEW_SIZE)
        for first in range(0, len(rays), RAYS_AT_ONCE):
            samples = sample_rays(rays[first : first + RAYS_AT_ONCE], mask, N_STEPS)
            density, _ = field(samples.xyz, samples.time)
            weights = render_weights(density, samples.ray_indices, samples.n_rays, samples.step)
            index = ((samples.xyz[weights > MIN_WEIGHT] + 1.0) * (CELLS / 2)).long().clamp(0, CELLS - 1)
            visible[index.unbind(1)] = True
            progress.report()
        progress.advance("looking from all sides")
    return torch.nonzero(visible) * (2.0 / CELLS) - 1.0


def cameras_around(count: int, extent: float) -> Cameras:
    """Spread cameras evenly (Fibonacci), so far away that they see everything within extent of the origin."""
    height = 1.0 - (torch.arange(count) + 0.5) * (2.0 / count)
    azimuth = torch.arange(count) * (180.0 * (3.0 - math.sqrt(5.0)))
    radius = extent / math.sin(math.radians(FOVY / 2))
    return make_cameras(torch.rad2deg(height.asin()), azimuth % 360.0, radius)


def _fill(
    field: Field, corners: Tensor, time: float, spacing: float, progress: ProgressCounter
) -> tuple[Tensor, Tensor]:
    """Return the lattice's points in the cells (N, 3), without those where nothing is, and their rgba (N, 4)."""
    progress.advance("filling it with Gaussians")
    means, rgba = [], []
    for points in lattice_points(corners, spacing).split(POINTS_AT_ONCE):
        density, albedo = field(points, points.new_full((len(points),), time))
        alpha = peak_opacity(density, spacing)
        dense = alpha > MIN_ALPHA
        means.append(points[dense])
        rgba.append(torch.cat((albedo, alpha[:, None]), 1)[dense].clamp(0.0, 1.0))
        progress.report()
    return torch.cat(means), torch.cat(rgba)


def lattice_points(corners: Tensor, spacing: float) -> Tensor:  # (C, 3) -> (N, 3)
    """Return the points of a lattice, (k + 1/2) spacing along each axis, that lie in the grid's cells."""
    first = (corners / spacing - 0.5).ceil()
    steps = torch.arange(math.ceil(2.0 / CELLS / spacing) + 1, device=corners.device)
    offsets = torch.cartesian_prod(steps, steps, steps)
    points = (first[:, None] + offsets + 0.5) * spacing
    inside = (points < corners[:, None] + 2.0 / CELLS).all(2)
    return points[inside]


def peak_opacity(density: Tensor, spacing: float) -> Tensor:  # (N,) -> (N,)
    """Return opacities of Gaussians whose sum over the lattice has this density: a line through a Gaussian's middle
    crosses density spacing^3 / (2 pi std^2)."""
    thickness = DENSITY_GAIN * density * spacing / (2.0 * math.pi * STD**2)
    return (-torch.expm1(-thickness)).clamp(max=MAX_ALPHA)
