"""A mesh from posed pictures: the visual hull of their silhouettes (Laurentini 1994), in the colours that they show."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..protocols import Cameras
from .clip_motion import sample
from .lens import axes_and_lens, project
from .mesh import MeshModel
from .posed import PosedImages

SIDE = 256  # pixels of the pictures that are read
CELLS = (48, 96)  # along each side of the grid: first of all that the cameras frame, then of what the subject fills
INSIDE = 0.5  # coverage of a point in every picture, from which it is inside
FACING = 4.0  # power of the cosine by which a picture's colour counts: the one that looks straight at it decides
HIDDEN = 0.03  # world units by which a point may lie behind what the camera sees
LEAST = 1e-6  # weight of a picture that does not see a point, so that every point has a colour


def visual_hull(posed: PosedImages, framing: Cameras) -> MeshModel:
    """Return the surface of all that lies in every picture's silhouette, of cameras that stand around the origin."""
    cameras = posed.upright(framing)
    layers = posed.resampled(cameras, SIDE)
    half = math.tan(math.radians(float(framing.fovy[0])) / 2) * float(framing.radius[0])
    low, high = torch.full((3,), -half), torch.full((3,), half)
    values, cell = _coverage(layers, cameras, low, high, CELLS[0])
    inside = torch.nonzero(values > INSIDE)
    if not len(inside):
        raise ValueError(
            "the outlines of the pictures have no volume in common: check the cameras that took them and their masks."
        )
    low, high = low + (inside.amin(0) - 2) * cell, low + (inside.amax(0) + 2) * cell
    values, cell = _coverage(layers, cameras, low, high, CELLS[1])
    vertices, faces = _surface(values)
    return _coloured(low + vertices * cell, faces, layers, cameras)


def _coverage(layers: Tensor, cameras: Cameras, low: Tensor, high: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Return the least coverage over the pictures at the points of a grid, (n, n, n), and the grid's steps (3,)."""
    cell = (high - low) / (cells - 1)
    axis = torch.arange(cells)
    points = low + torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3) * cell
    c2w, lens = axes_and_lens(cameras, SIDE)
    least = torch.ones(len(points))
    for k in range(len(layers)):
        pixels, _ = project(points, c2w[k], lens[k], SIDE)
        visible = ((pixels >= 0) & (pixels <= SIDE)).all(1)
        least = torch.minimum(least, sample(layers[k, 3:].permute(1, 2, 0), pixels)[:, 0] * visible)
    values = least.view(cells, cells, cells)
    values[[0, -1]] = values[:, [0, -1]] = values[:, :, [0, -1]] = 0.0  # closed where the grid ends
    return values, cell


def _surface(values: Tensor) -> tuple[Tensor, Tensor]:  # (V, 3) in cells, (F, 3)
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(values.numpy(), INSIDE)
    return torch.from_numpy(vertices.copy()), torch.from_numpy(faces.copy()).long()


def _coloured(vertices: Tensor, faces: Tensor, layers: Tensor, cameras: Cameras) -> MeshModel:
    """Give each vertex the colour of the pictures that see it, those above all that look straight at it."""
    plain = MeshModel(vertices, faces, torch.full_like(vertices, 0.5))
    normals = _normals(vertices, faces)
    c2w, lens = axes_and_lens(cameras, SIDE)
    total, weights = torch.zeros_like(vertices), torch.zeros(len(vertices), 1)
    for k in range(len(layers)):
        pixels, depth = project(vertices, c2w[k], lens[k], SIDE)
        drawn = plain.layers(cameras[k : k + 1], (SIDE, SIDE))[0]
        front = sample((drawn[4] / drawn[3].clamp_min(1e-6))[..., None], pixels)[:, 0]
        facing = (normals * normalize(c2w[k, :3, 3] - vertices, dim=1)).sum(1).clamp_min(0.0)
        colour = sample(layers[k].permute(1, 2, 0), pixels)
        weight = ((facing**FACING) * (depth < front + HIDDEN) * colour[:, 3] ** 2 + LEAST)[:, None]
        total += weight * colour[:, :3] / colour[:, 3:].clamp_min(0.1)
        weights += weight
    return MeshModel(vertices, faces, (total / weights).clamp(0.0, 1.0))


def _normals(vertices: Tensor, faces: Tensor) -> Tensor:  # (V, 3) unit, outwards
    a, b, c = vertices[faces].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    outwards = 1.0 if float((a * across).sum()) > 0 else -1.0  # six times the volume
    normals = torch.zeros_like(vertices)
    for corner in range(3):
        normals.index_add_(0, faces[:, corner], across)
    return normalize(normals * outwards, dim=1)
