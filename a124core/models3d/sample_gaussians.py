"""Points on the surface that Gaussians show: of those that are seen from around, ellipses towards the cameras."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .gaussians import FITTED, GaussianModel
from .lens import axes_and_lens, project
from .surface_points import SurfacePoints, cameras_around, in_the_middle

SOLID = 0.5  # opacity of a render from which it shows a surface
NEAR = 1.5  # standard deviations, or pixels, from the rendered depth within which a Gaussian is what is seen
FAINT = 0.75  # standard deviations to which an ellipse reaches at least: faint ones are opaque together
MOST_STEPS = 64  # points from the middle of an ellipse to its edge
FLATNESS = 1e-3  # of the largest variance, added: an ellipse this flat faces along its shortest axis
ONE_SIDED = 0.15  # mean of the unit vectors to the cameras that see a Gaussian (a ball: 0.5) below which both sides are


@dataclass(frozen=True)
class SeenGaussians:
    """The Gaussians that are seen from around, as they face the cameras that see them."""

    model: GaussianModel
    normals: Tensor  # (N, 3) unit


def seen_gaussians(model: GaussianModel) -> SeenGaussians:
    """Return what is seen of a model; a sheet of Gaussians that is seen from both sides is there twice."""
    toward, count = _toward_cameras(in_the_middle(model))
    seen = (count > 0).nonzero()[:, 0]
    if not len(seen):
        raise ValueError("the Gaussians are so transparent that no surface is seen: export them with more opacity.")
    toward, count = toward[seen], count[seen]
    covariances = model.covariances[seen].double()
    widest = covariances.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-30)
    flat = covariances / widest[:, None, None] + FLATNESS * torch.eye(3)
    normals = normalize(torch.linalg.solve(flat, toward.double()), dim=1).float()
    sheet = (toward.norm(dim=1) < ONE_SIDED * count).nonzero()[:, 0]
    normals[sheet] = torch.linalg.eigh(flat[sheet])[1][:, :, 0].float()
    index = torch.cat((seen, seen[sheet]))
    part = GaussianModel(model.means[index], model.covariances[index], model.rgba[index])
    return SeenGaussians(part, torch.cat((normals, -normals[sheet])))


def gaussian_points(seen: SeenGaussians, spacing: float) -> SurfacePoints:
    """Return points about `spacing` apart on the ellipses in which the Gaussians are more opaque than SOLID."""
    model, normals = seen.model, seen.normals
    tangents = _tangents(normals)  # (N, 3, 2)
    flat = tangents.transpose(1, 2) @ model.covariances @ tangents
    opacity = model.rgba[:, 3]
    reach = (2 * (opacity.clamp_min(1e-3).log() + log(2))).clamp_min(FAINT**2).sqrt()  # opacity exp(-r^2 / 2) = 1/2
    axes = tangents @ torch.linalg.cholesky(flat + 1e-12 * torch.eye(2)) * reach[:, None, None]
    steps = (axes.norm(dim=1).amax(1) / spacing).ceil().clamp(1, MOST_STEPS).long()
    steps[axes.norm(dim=1).amax(1) < spacing / 2] = 0
    points, index, weights = [], [], []
    for count in steps.unique().tolist():
        own = (steps == count).nonzero()[:, 0]
        disc = _disc(count)
        points.append((model.means[own][:, None] + torch.einsum("nij,kj->nki", axes[own], disc)).flatten(0, 1))
        index.append(own.repeat_interleave(len(disc)))
        weights.append((opacity[own][:, None] * (1.01 - disc.square().sum(1))).flatten())
    order = torch.cat(index)
    return SurfacePoints(torch.cat(points), normals[order], model.rgba[order, :3], torch.cat(weights)).thinned(spacing)


def _disc(count: int) -> Tensor:  # (K, 2)
    """Return a grid of points in the unit disc, `count` of them from its middle to its edge; 0: its middle."""
    line = torch.arange(-count, count + 1) / max(count, 1)
    grid = torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).flatten(0, 1)
    return grid[grid.square().sum(1) <= 1 + 1e-6]


def _toward_cameras(model: GaussianModel) -> tuple[Tensor, Tensor]:
    """Return the sum of the unit vectors to the cameras that see each Gaussian (N, 3), and how many they are (N,)."""
    cameras = cameras_around()
    c2w, lens = axes_and_lens(cameras, FITTED)
    extent = model.covariances.diagonal(dim1=1, dim2=2).sum(1).sqrt()
    total, count = torch.zeros_like(model.means), torch.zeros(len(model.means))
    for b in range(len(cameras)):
        layers = model.layers(cameras[b : b + 1], (FITTED, FITTED))[0]
        at, depth = project(model.means, c2w[b], lens[b], FITTED)
        x, y = at.floor().long().clamp(0, FITTED - 1).T
        alpha, shown = layers[3][y, x], layers[4][y, x]
        near = NEAR * extent.maximum(depth / lens[b, 0])
        is_seen = (alpha > SOLID) & ((shown / alpha.clamp_min(1e-3) - depth).abs() < near)
        total += normalize(c2w[b, :3, 3] - model.means, dim=1) * is_seen[:, None]
        count += is_seen
    return total, count


def _tangents(normals: Tensor) -> Tensor:  # (N, 3) -> (N, 3, 2)
    """Return two unit vectors across each normal."""
    other = torch.eye(3)[normals.abs().argmin(1)]
    first = normalize(torch.linalg.cross(normals, other), dim=1)
    return torch.stack((first, torch.linalg.cross(normals, first)), 2)
