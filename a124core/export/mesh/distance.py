"""How far two surfaces are apart."""

from __future__ import annotations

import numpy as np

from .nouns import Surface, spread

SPREAD = 10_000  # points on each surface
CANDIDATES = 6  # faces looked at for each point: those of its nearest neighbours among the points of the other surface


def surface_distance(a: Surface, b: Surface, count: int = SPREAD) -> float:
    """Symmetric mean distance, world units: the mean of both directions."""
    there, back = distances(a, b, count)
    return 0.5 * float(there.mean() + back.mean())


def distances(a: Surface, b: Surface, count: int = SPREAD) -> tuple[np.ndarray, np.ndarray]:  # (count,) each
    """From points spread evenly on a to the triangles of b, and from b to a. Only near faces are looked at, so that a
    distance can come out too large, never too small."""
    rng = np.random.default_rng(0)
    on_a, on_b = spread(*a, count, rng), spread(*b, count, rng)
    return one_way(on_a[0], on_b, b), one_way(on_b[0], on_a, a)


def one_way(points: np.ndarray, on: tuple[np.ndarray, ...], surface: Surface) -> np.ndarray:
    """Distance of each point to a surface that has been spread with points."""
    from scipy.spatial import cKDTree

    _, near = cKDTree(on[0]).query(points, k=CANDIDATES)
    corners = surface[0][surface[1][on[1][near]]].astype(np.float64)  # (N, candidates, 3, 3)
    closest = closest_on_triangle(points[:, None], corners)
    return np.linalg.norm(points[:, None] - closest, axis=-1).min(1)


def closest_on_triangle(point: np.ndarray, corners: np.ndarray) -> np.ndarray:  # (..., 3), (..., 3, 3) -> (..., 3)
    """Nearest point of each triangle: of its plane if that lies inside, else of its three edges."""
    a, b, c = (corners[..., k, :] for k in range(3))
    normal = np.cross(b - a, c - a)
    square = (normal**2).sum(-1, keepdims=True)
    foot = point - normal * ((point - a) * normal).sum(-1, keepdims=True) / np.maximum(square, 1e-30)
    sides = [(np.cross(q - p, foot - p) * normal).sum(-1) for p, q in ((a, b), (b, c), (c, a))]
    inside = (np.minimum(np.minimum(*sides[:2]), sides[2]) >= 0.0) & (square[..., 0] > 1e-20)  # a needle has no plane
    options = np.stack([_on_edge(point, p, q) for p, q in ((a, b), (b, c), (c, a))])
    nearest = ((options - point) ** 2).sum(-1).argmin(0)
    on_edges = np.take_along_axis(options, nearest[None, ..., None], axis=0)[0]
    return np.where(inside[..., None], foot, on_edges)


def _on_edge(point: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    way = q - p
    length = np.maximum((way**2).sum(-1, keepdims=True), 1e-30)
    return p + way * (((point - p) * way).sum(-1, keepdims=True) / length).clip(0.0, 1.0)
