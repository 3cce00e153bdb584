"""Align one set of points with another by gradient descent from 24 rotations, as ActionBench does before it measures.

Source: facebookresearch/actionmesh, actionbench/icp.py at cbb4d00: rotation (6 numbers, Zhou et al. 2019), shift and
a scale for each axis; 200 steps of Adam at 0.01 on the squared chamfer distance from each of the cube's 24 rotations;
the best of all. There 10,000 points are compared on a GPU, here N_POINTS, on a CPU through a tree of neighbours: the
gradient of the chamfer distance is that of its nearest pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations, product
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

N_POINTS = 500  # of each set
STEPS, RATE = 200, 0.01
SEED = 44  # ActionBench's


@dataclass(frozen=True)
class Transform:
    """x -> (scale * x) @ rotation + shift; nothing by default."""

    scale: np.ndarray = field(default_factory=lambda: np.ones(3))  # (3,) along the axes before the rotation
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    shift: np.ndarray = field(default_factory=lambda: np.zeros(3))

    def __call__(self, points: np.ndarray) -> np.ndarray:  # (..., 3)
        return (self.scale * points) @ self.rotation + self.shift


def cube_rotations() -> Tensor:  # (24, 3, 3)
    """Return the rotations that turn a cube into itself."""
    signed = [
        torch.eye(3)[list(order)] * torch.tensor(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    ]
    return torch.stack([matrix for matrix in signed if torch.linalg.det(matrix) > 0])


def rotation_from(six: Tensor) -> Tensor:  # (B, 6) -> (B, 3, 3)
    """Return rotations whose first two rows are the numbers made orthonormal (Zhou et al. 2019, appendix B)."""
    a = torch.nn.functional.normalize(six[:, :3], dim=1)
    b = torch.nn.functional.normalize(six[:, 3:] - (a * six[:, 3:]).sum(1, keepdim=True) * a, dim=1)
    return torch.stack((a, b, torch.linalg.cross(a, b)), dim=1)


def align(result: np.ndarray, truth: np.ndarray, steps: int = STEPS) -> Transform:
    """Return what moves the result's points (N, 3) onto the truth's (M, 3) best."""
    with torch.inference_mode(False), torch.enable_grad():
        return _descend(_thinned(result), _thinned(truth), steps)


def _thinned(points: np.ndarray) -> Tensor:
    order = np.random.RandomState(SEED).permutation(len(points))[:N_POINTS]
    return torch.from_numpy(np.ascontiguousarray(points[order])).float()


def _descend(result: Tensor, truth: Tensor, steps: int) -> Transform:
    from scipy.spatial import cKDTree

    starts, tree = cube_rotations(), cKDTree(truth.numpy())
    shift = torch.zeros(len(starts), 3, requires_grad=True)
    scale = torch.ones(len(starts), 3, requires_grad=True)
    six = torch.tensor([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]]).repeat(len(starts), 1).requires_grad_(True)
    optimizer = torch.optim.Adam([shift, six, scale], lr=RATE)
    best, best_loss = Transform(), float("inf")
    for _ in range(steps):
        rotation = starts @ rotation_from(six)
        moved = (scale[:, None] * result) @ rotation + shift[:, None]
        loss = _squared_chamfer(moved, truth, tree)
        k = int(loss.detach().argmin())
        if loss[k].item() < best_loss:
            best_loss = loss[k].item()
            best = Transform(*(t[k].detach().double().numpy().copy() for t in (scale, rotation, shift)))
        optimizer.zero_grad()
        loss.mean().backward()
        optimizer.step()
    return best


def _squared_chamfer(moved: Tensor, truth: Tensor, tree: cKDTree) -> Tensor:  # (B, N, 3), (M, 3) -> (B,)
    from scipy.spatial import cKDTree

    points = moved.detach().numpy()
    nearest = torch.from_numpy(tree.query(points)[1])
    there = (moved - truth[nearest]).square().sum(-1).mean(1)
    back = torch.from_numpy(np.stack([cKDTree(p).query(truth.numpy())[1] for p in points]))
    matched = torch.gather(moved, 1, back[..., None].expand(-1, -1, 3))
    return there + (matched - truth).square().sum(-1).mean(1)
