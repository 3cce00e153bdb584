"""Points on the surface that Gaussians show: of those that are seen from around, ellipses towards the cameras."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from .gaussians import FITTED, GaussianModel
from .lens import axes_and_lens, project
from .surface_points import SurfacePoints, cameras_around, in_batches, in_the_middle

SOLID = 0.5  # opacity of a render from which it shows a surface
EDGE = 0.15  # opacity of one Gaussian at the edge of its ellipse: with its neighbours it is opaque there
NEAR = 1.5  # standard deviations, or pixels, from the rendered depth within which a Gaussian is what is seen
FAINT = 0.75  # standard deviations to which an ellipse reaches at least: faint ones are opaque together
MOST_STEPS = 64  # points from the middle of an ellipse to its edge
FLATNESS = 1e-3  # of the largest variance, added: an ellipse this flat faces along its shortest axis
ONE_SIDED = 0.15  # mean of the unit vectors to the cameras that see a Gaussian (a ball: 0.5) below which both sides are


@dataclass(frozen=True)
class VisibleGaussians:
    """The Gaussians that are seen from around, as they face the cameras that see them."""

    model: GaussianModel
    normals: Tensor  # (N, 3) unit


def visible_gaussians(model: GaussianModel) -> VisibleGaussians:
    """Return what is seen of a model; a sheet of Gaussians that is seen from both sides is there twice."""
    toward, count = _toward_cameras(in_the_middle(model))
    visible = (count > 0).nonzero()[:, 0]
    if not len(visible):
        raise ValueError("the Gaussians are so transparent that no surface is seen: export them with more opacity.")
    toward, count = toward[visible], count[visible]
    covariances = model.covariances[visible].double()
    widest = covariances.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-30)
    flat = covariances / widest[:, None, None] + FLATNESS * torch.eye(3)
    normals = normalize(torch.linalg.solve(flat, toward.double()), dim=1).float()
    sheet = (toward.norm(dim=1) < ONE_SIDED * count).nonzero()[:, 0]
    normals[sheet] = torch.linalg.eigh(flat[sheet])[1][:, :, 0].float()
    index = torch.cat((visible, visible[sheet]))
    part = GaussianModel(model.means[index], model.covariances[index], model.rgba[index])
    return VisibleGaussians(part, torch.cat((normals, -normals[sheet])))


def gaussian_points(visible: VisibleGaussians, spacing: float) -> SurfacePoints:
    """Return points about `spacing` apart on the ellipses in which the Gaussians are more opaque than EDGE."""
    axes = _axes(visible)
    widest = axes.norm(dim=1).amax(1)
    steps = torch.where(widest < spacing / 2, 0, (widest / spacing).ceil().clamp(1, MOST_STEPS)).long()
    sizes = 1 + 4 * steps.square()
    return in_batches(sizes, lambda index: _on_ellipses(visible, axes, steps, index), spacing)


def _axes(visible: VisibleGaussians) -> Tensor:  # (N, 3, 2)
    """Return what maps the unit disc to each ellipse, across its normal."""
    tangents = _tangents(visible.normals)
    flat = (tangents.transpose(1, 2) @ visible.model.covariances @ tangents).double()
    thin = 1e-12 + 1e-5 * flat.diagonal(dim1=1, dim2=2).sum(1)
    root = torch.linalg.cholesky(flat + thin[:, None, None] * torch.eye(2)).float()
    faintness = -2 * (EDGE / visible.model.rgba[:, 3].clamp_min(1e-3)).log()  # opacity exp(-r^2 / 2) = EDGE
    return tangents @ root * faintness.clamp_min(FAINT**2).sqrt()[:, None, None]


def _on_ellipses(visible: VisibleGaussians, axes: Tensor, steps: Tensor, index: Tensor) -> SurfacePoints:
    """Return the points of some ellipses, by their number of steps."""
    points, owners, weights = [], [], []
    for count in steps[index].unique().tolist():
        own, disc = index[steps[index] == count], _disc(count)
        points.append((visible.model.means[own][:, None] + torch.einsum("nij,kj->nki", axes[own], disc)).flatten(0, 1))
        owners.append(own.repeat_interleave(len(disc)))
        weights.append((visible.model.rgba[own, 3:] * (1.01 - disc.square().sum(1))).flatten())
    order = torch.cat(owners)
    return SurfacePoints(torch.cat(points), visible.normals[order], visible.model.rgba[order, :3], torch.cat(weights))


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
        alpha, rendered = layers[3][y, x], layers[4][y, x]
        near = NEAR * extent.maximum(depth / lens[b, 0])
        is_visible = (alpha > SOLID) & ((rendered / alpha.clamp_min(1e-3) - depth).abs() < near)
        total += normalize(c2w[b, :3, 3] - model.means, dim=1) * is_visible[:, None]
        count += is_visible
    return total, count


def _tangents(normals: Tensor) -> Tensor:  # (N, 3) -> (N, 3, 2)
    """Return two unit vectors across each normal."""
    other = torch.eye(3)[normals.abs().argmin(1)]
    first = normalize(torch.linalg.cross(normals, other), dim=1)
    return torch.stack((first, torch.linalg.cross(normals, first)), 2)
