"""Fewer faces for a mesh that has more than a render shows; its colours go to the vertices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from ..utils.optional import require
from .mesh import MeshModel

MAX_FACES = 200_000  # a 256 px render shows about as many samples


def reduced_mesh(model: MeshModel, most: int = MAX_FACES) -> MeshModel:
    """Return the mesh with about `most` faces; itself where it has no more."""
    if len(model.faces) <= most:
        return model
    simplification = require("fast_simplification", "fast-simplification", "for a mesh with so many faces")
    from scipy.spatial import cKDTree

    model = with_vertex_colours(model)
    points = model.vertices.numpy().astype(np.float32)
    vertices, faces = simplification.simplify(points, model.faces.numpy().astype(np.int32), target_count=most)
    nearest = torch.from_numpy(cKDTree(points).query(vertices)[1])
    return MeshModel(torch.from_numpy(vertices), torch.from_numpy(faces).long(), model.colours[nearest])


def with_vertex_colours(model: MeshModel) -> MeshModel:
    """Return the mesh without textures: each vertex has the colour of its texture there."""
    if model.uv is None or model.texture is None:
        return model
    colours = model.colours.clone()
    for k, texture in enumerate(model.textures):
        own = model.faces[model.texture == k].unique()
        colours[own] = model.colours[own] * texture.at(model.uv[own], torch.ones(len(own)))
    return replace(model, colours=colours, uv=None, texture=None, textures=())
