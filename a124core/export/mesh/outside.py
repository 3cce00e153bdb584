"""Which points of a surface are seen from outside: what no camera sees, a field has never learned and nobody misses."""

from __future__ import annotations

import itertools

import numpy as np

from .mesh import Surface, spread

SIDES = np.array([side for side in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(side)])  # (26, 3)
CELLS = 64  # of a depth map along the scene's size. What lies more than a cell's side behind the front is hidden: a
# free surface never does from its nearest side, which it turns away from by 27 degrees at most
COVER = 50_000  # points on the surface that make a depth map: ten a cell of the demo robot, so nothing shines through


def seen(
    points: np.ndarray,  # (N, 3) on the surface
    normals: np.ndarray,  # (N, 3) outward there, of any length
    surface: Surface,
    size: float,  # world units, the diagonal of the scene
) -> np.ndarray:  # (N,) bool
    """From any of 26 sides, looking straight ahead: nothing stands before the point, and it faces that side."""
    cover, cell = spread(*surface, COVER, np.random.default_rng(0))[0], size / CELLS
    found = np.zeros(len(points), bool)
    for side in SIDES / np.linalg.norm(SIDES, axis=1, keepdims=True):
        across = np.linalg.svd(side[None])[2][1:]  # two axes of the picture
        corner = (cover @ across.T).min(0)
        hiding, asked = (((p @ across.T - corner) / cell).astype(int).clip(0, CELLS) for p in (cover, points))
        front = np.full((CELLS + 1, CELLS + 1), -np.inf)
        np.maximum.at(front, tuple(hiding.T), cover @ side)
        found |= (points @ side >= front[tuple(asked.T)] - cell) & (normals @ side > 0.0)
    return found
