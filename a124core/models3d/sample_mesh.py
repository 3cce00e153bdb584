"""Points on a mesh at any spacing: faces are halved until they are small, and their middles averaged in a grid."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ..kernels import nearest_faces
from .lens import axes_and_lens
from .mesh import MeshModel
from .surface_points import SurfacePoints, cameras_around, in_batches, in_the_middle, joined

SIDE = 128  # pixels a side of the images in which backs of faces are looked for
BACKS = 0.002  # share of the pixels that may show the back of a face of a closed mesh: rounding at its outline


def mesh_points(model: MeshModel, spacing: float) -> SurfacePoints:
    """Return points about `spacing` apart on all faces, as they are wound."""
    corners = model.vertices[model.faces]
    longest = (corners - corners.roll(1, 1)).norm(dim=2).amax(1)
    pieces = (4 * _areas(corners) / spacing**2).maximum(longest / spacing).clamp_min(1)
    return in_batches(pieces, lambda faces: _points(model, faces, spacing), spacing)


def shows_backs(model: MeshModel) -> bool:
    """Check whether backs of faces are seen from outside: the mesh is open, or is wound inwards."""
    model, cameras = in_the_middle(model), cameras_around()
    c2w, lens = axes_and_lens(cameras, SIDE)
    corners = model.vertices[model.faces]
    normals, middles = _crossed(corners), corners.mean(1)
    total = backs = 0
    for b in range(len(cameras)):
        front = nearest_faces(model.vertices, model.faces, c2w[b : b + 1], lens[b : b + 1], (SIDE, SIDE)).flatten()
        front = front[front >= 0]
        toward = c2w[b, :3, 3] - middles[front]
        total, backs = total + len(front), backs + int(((normals[front] * toward).sum(1) < 0).sum())
    return backs > BACKS * total


def both_sides(points: SurfacePoints) -> SurfacePoints:
    """Return each point as it faces, and as it faces on the other side."""
    return joined([points, SurfacePoints(points.points, -points.normals, points.colours, points.weights)])


def _points(model: MeshModel, faces: Tensor, spacing: float) -> SurfacePoints:
    """Return the middles of faces (F,) that are halved until no edge is longer than the spacing."""
    face, weights = _halved(model, faces, spacing)
    corners = weights @ model.vertices[model.faces[face]]
    middles = weights.mean(1)
    area = _areas(model.vertices[model.faces[face]]).clamp_min(1e-30)
    colours = model.colours_at(face, middles, spacing**2 / area)
    normals = normalize(_crossed(corners), dim=1)
    return SurfacePoints(corners.mean(1), normals, colours, _areas(corners).clamp_min(1e-12))


def _halved(model: MeshModel, face: Tensor, spacing: float) -> tuple[Tensor, Tensor]:
    """Halve faces (F,) at the middle of their longest edge until none is longer than the spacing: the face of each
    piece (T,), and the barycentric coordinates of its corners (T, 3, 3)."""
    weights, small = torch.eye(3).expand(len(face), 3, 3), []
    while len(face):
        corners = weights @ model.vertices[model.faces[face]]
        edges = (corners - corners.roll(-1, 1)).norm(dim=2)  # edge k: from corner k to the next
        longest, first = edges.max(1)
        is_small = longest <= spacing
        small.append((face[is_small], weights[is_small]))
        face, weights, first = face[~is_small], weights[~is_small], first[~is_small]
        order = (first[:, None] + torch.arange(3)) % 3
        a, b, c = weights.gather(1, order[:, :, None].expand(-1, 3, 3)).unbind(1)
        middle = (a + b) / 2
        face = face.repeat(2)
        weights = torch.cat((torch.stack((a, middle, c), 1), torch.stack((middle, b, c), 1)))
    return torch.cat([part[0] for part in small]), torch.cat([part[1] for part in small])


def _crossed(corners: Tensor) -> Tensor:  # (F, 3, 3) -> (F, 3)
    return torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _areas(corners: Tensor) -> Tensor:  # (F, 3, 3) -> (F,)
    return _crossed(corners).norm(dim=1) / 2
