"""A model that moves: its shape at any scene time, from frames that are evenly spaced in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from .gaussians import GaussianModel
from .mesh import MeshModel

Model = MeshModel | GaussianModel


def model_at(frames: Sequence[Model], time: float) -> Model:
    """Return the model at a scene time in [0, 1]: linear between meshes that share their faces, else the nearest."""
    position = min(max(time, 0.0), 1.0) * (len(frames) - 1)
    before = min(int(position), max(len(frames) - 2, 0))
    first, second = frames[before], frames[min(before + 1, len(frames) - 1)]
    share = position - before
    if share in (0.0, 1.0) or not share_topology(first, second):
        return frames[round(position)]
    if isinstance(first, GaussianModel):
        pairs = (first.means, second.means), (first.covariances, second.covariances)
        means, covariances = (torch.lerp(*pair, share) for pair in pairs)
        return replace(first, means=means, covariances=covariances)
    pairs = (first.vertices, second.vertices), (first.colours, second.colours)
    vertices, colours = (torch.lerp(*pair, share) for pair in pairs)
    return replace(first, vertices=vertices, colours=colours)


def share_topology(first: Model, second: Model) -> bool:
    """Return whether two models are the same faces or Gaussians, moved, so that their points correspond."""
    if isinstance(first, GaussianModel) and isinstance(second, GaussianModel):
        return first.rgba is second.rgba
    if not isinstance(first, MeshModel) or not isinstance(second, MeshModel):
        return False
    if first.faces is second.faces:
        return True
    same_size = first.vertices.shape == second.vertices.shape and first.faces.shape == second.faces.shape
    return same_size and torch.equal(first.faces, second.faces)


def stands_still(frames: Sequence[Model]) -> bool:
    """Return whether all frames are equal to the first, in shape and in colours."""
    first = _appearance(frames[0])
    return all(
        len(other) == len(first) and all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
        for other in map(_appearance, frames[1:])
    )


def _appearance(model: Model) -> list[torch.Tensor]:
    """Return all tensors that a render of the model depends on."""
    if isinstance(model, GaussianModel):
        return [model.means, model.covariances, model.rgba]
    optional = [tensor for tensor in (model.uv, model.texture) if tensor is not None]
    return [model.vertices, model.faces, model.colours, *optional, *(t.levels[0] for t in model.textures)]
