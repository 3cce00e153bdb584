"""Fewer faces for a mesh that has more than a render shows; its colours go to the vertices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..utils.optional import require
from .mesh import MeshModel

REMAINING = 0.8  # of the area, of which collapsing edges must leave so much: of faces that share none it leaves little
MAX_FACES = 200_000  # a 256 px render shows about as many samples


def reduced_mesh(model: MeshModel, most: int = MAX_FACES) -> MeshModel:
    """Return the mesh with about `most` faces; itself where it has no more."""
    if len(model.faces) <= most:
        return model
    simplification = require("fast_simplification", "fast-simplification", "for a mesh with so many faces")
    from scipy.spatial import cKDTree

    model = welded(with_vertex_colours(model))
    if len(model.faces) <= most:
        return model
    points = model.vertices.numpy().astype(np.float32)
    vertices, faces = simplification.simplify(points, model.faces.numpy().astype(np.int32), target_count=most)
    nearest = torch.from_numpy(cKDTree(points).query(vertices)[1])
    reduced = MeshModel(torch.from_numpy(vertices), torch.from_numpy(faces).long(), model.colours[nearest])
    if _area(reduced) > REMAINING * _area(model):
        return reduced
    loose = clustered(model, most)  # leaves little of faces that are smaller than its cells, or too many larger ones
    return loose if len(loose.faces) <= most and _area(loose) > _area(reduced) else reduced


def welded(model: MeshModel, cell: float = 0.0) -> MeshModel:
    """Return the mesh with one vertex at each place, or for each cube of a grid: the mean of those that lie there."""
    places = model.vertices if cell == 0.0 else (model.vertices / cell).floor()
    index = torch.from_numpy(_row_numbers(places.numpy())[1])
    count = index.bincount()
    mean = [torch.zeros(len(count), 3).index_add(0, index, values) / count[:, None]
            for values in (model.vertices, model.colours)]
    faces = index[model.faces]
    faces = faces[(faces != faces.roll(1, 1)).all(1)]
    first = _row_numbers(faces.sort(1)[0].numpy())[0]
    return MeshModel(mean[0], faces[torch.from_numpy(first)], mean[1])


def _row_numbers(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (N, C) -> (U,), (N,)
    """Return where each different row comes first, and which of them each row is, in ascending order: column by column,
    as np.unique of whole rows takes many times as long."""
    first, number = np.unique(rows[:, 0], return_index=True, return_inverse=True)[1:]
    for column in rows.T[1:]:
        values, digit = np.unique(column, return_inverse=True)
        pair = number * len(values) + digit
        first, number = np.unique(pair, return_index=True, return_inverse=True)[1:]
    return first, number


def clustered(model: MeshModel, most: int) -> MeshModel:
    """Return loose faces, which share no edges that could collapse, with their vertices moved together (Rossignac and
    Borrel 1993), in the finest grid that leaves at most so many faces, or else the coarsest."""
    extent = float((model.vertices.amax(0) - model.vertices.amin(0)).max())
    for cells in (512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16):
        reduced = welded(model, extent / cells)
        if len(reduced.faces) <= most:
            break
    return reduced


def _area(model: MeshModel) -> float:
    a, b, c = model.vertices[model.faces].unbind(1)
    return float(torch.linalg.cross(b - a, c - a).norm(dim=1).sum()) / 2.0


def with_vertex_colours(model: MeshModel) -> MeshModel:
    """Return the mesh without textures: each vertex has the colour of its texture there."""
    if model.uv is None or model.texture is None:
        return model
    colours = model.colours.clone()
    for k, texture in enumerate(model.textures):
        own = model.faces[model.texture == k].unique()
        colours[own] = model.colours[own] * texture.at(model.uv[own], torch.ones(len(own)))
    return replace(model, colours=colours, uv=None, texture=None, textures=())
