"""How far two surfaces are apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .mesh import Surface, diagonal, spread

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

SPREAD = 10_000  # points on each surface
CANDIDATES = 16  # faces looked at for each point: those whose centres are nearest
FINEST = 256  # a large face has a centre for each of its parts, and no part is smaller than this share of the diagonal


def surface_distance(a: Surface, b: Surface, count: int = SPREAD) -> float:
    """Symmetric mean distance, world units: the mean of both directions."""
    there, back = distances(a, b, count)
    return 0.5 * float(there.mean() + back.mean())


def distances(a: Surface, b: Surface, count: int = SPREAD) -> tuple[np.ndarray, np.ndarray]:  # (count,) each
    """From points spread evenly on a to the triangles of b, and from b to a."""
    rng = np.random.default_rng(0)
    on_a, on_b = spread(*a, count, rng)[0], spread(*b, count, rng)[0]
    return one_way(on_a, b), one_way(on_b, a)


def farthest(a: Surface, b: Surface) -> float:
    """The largest distance of any point of either surface to the other, world units."""
    return float(max(one_way(a[0], b).max(), one_way(b[0], a).max()))


def one_way(points: np.ndarray, surface: Surface) -> np.ndarray:  # (N, 3) -> (N,)
    """Distance of each point to the nearest of the triangles around it. Only CANDIDATES are looked at, so that a
    distance can come out too large, never too small; of a surface to itself it is 0."""
    from scipy.spatial import cKDTree

    at, face = centres(*surface)
    tree, corners = cKDTree(at), surface[0][surface[1]].astype(np.float64)
    parts = np.array_split(points, max(1, len(points) // SPREAD))
    return np.concatenate([_nearest(part, tree, face, corners) for part in parts])


def _nearest(points: np.ndarray, tree: cKDTree, face: np.ndarray, corners: np.ndarray) -> np.ndarray:  # (N,)
    _, near = tree.query(points, k=np.arange(min(CANDIDATES, tree.n)) + 1)
    closest = closest_on_triangle(points[:, None], corners[face[near]])
    return np.linalg.norm(points[:, None] - closest, axis=-1).min(1)


def centres(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (M, 3), (M,) which face
    """Of the faces; of a face longer than most, of the equal parts that it falls into: else the centre of a large face
    would be farther off than those of many small ones beside it."""
    corners = points[faces].astype(np.float64)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(1)
    cuts = np.ceil(longest / max(np.median(longest), diagonal(points) / FINEST, 1e-12)).clip(1).astype(int)
    at, which = [], []
    for cut in np.unique(cuts):
        (face,) = np.nonzero(cuts == cut)
        inside = _inside(int(cut))
        at.append((inside @ corners[face]).reshape(-1, 3))
        which.append(np.repeat(face, len(inside)))
    return np.concatenate(at), np.concatenate(which)


def _inside(cut: int) -> np.ndarray:  # (cut^2, 3)
    """Barycentric centres of the parts of a triangle whose sides are cut into so many."""
    i, j = (a.ravel() for a in np.mgrid[:cut, :cut])
    upright, hanging = i + j < cut, i + j < cut - 1
    ends = [np.stack((i, j), axis=1)[kept] + third for kept, third in ((upright, 1 / 3), (hanging, 2 / 3))]
    first, second = (np.concatenate(ends) / cut).T
    return np.stack((1.0 - first - second, first, second), axis=1)


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
