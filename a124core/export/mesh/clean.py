"""What of a volume is the object: no floaters, no rooms inside, no stairs, not more faces than asked for."""

from __future__ import annotations

import numpy as np

from ...utils.optional import require
from .mesh import face_vectors

FLOATER = 0.005  # share of the largest part's volume below which a part is a floater
BALL = 1.5  # lattice steps: gaps that a ball of this radius cannot enter are closed
ROUNDS = 8  # of smoothing, each a step in and a step out
HASTE = (2, 5, 7)  # fast-simplification's agg: at 2 surfaces stay clean, but it may stop early
TAUBIN = (0.5, -0.53)  # Taubin 1995: shrink, then swell by a little more, and the volume stays


def solid(height: np.ndarray) -> np.ndarray:  # (X, Y, Z), above 0 inside -> (X, Y, Z)
    """The same with floaters turned to air, and solid where a small ball from outside cannot go.

    What a camera cannot see, a field has never learned: rooms inside an object and cracks that lead there are noise."""
    from scipy.ndimage import label

    parts, count = label(height > 0.0)
    if count == 0:
        return height
    volume = np.bincount(parts.ravel(), minlength=count + 1)
    volume[0] = volume[1:].max()  # the air is no part
    kept = np.where((volume < FLOATER * volume.max())[parts], height.min(), height)
    return np.where((kept <= 0.0) & ~_reached(kept <= 0.0), height.max(), kept)


def _reached(air: np.ndarray) -> np.ndarray:  # (X, Y, Z) bool, True at the border -> (X, Y, Z) bool
    """The air that a ball of radius BALL sweeps when it comes in from the corner."""
    from scipy.ndimage import distance_transform_edt, label

    parts, _ = label(distance_transform_edt(air) > BALL)
    return distance_transform_edt(parts != parts[0, 0, 0]) <= BALL


def smoothed(points: np.ndarray, faces: np.ndarray, rounds: int = ROUNDS) -> np.ndarray:  # (V, 3)
    """Points moved towards the mean of their neighbours and back out."""
    mean = neighbour_mean(faces, len(points))
    for share in TAUBIN * rounds:
        points = points + share * (mean @ points - points)
    return points.astype(np.float32)


def neighbour_mean(faces: np.ndarray, count: int):  # -> scipy.sparse.csr_matrix (V, V)
    """The matrix that takes values at vertices to the mean over each one's neighbours."""
    from scipy.sparse import csr_matrix

    a, b = edges(faces).T
    ones = np.ones(2 * len(a), np.float32)
    linked = csr_matrix((ones, (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    degree = np.maximum(np.asarray(linked.sum(1)).ravel(), 1.0)
    linked.data /= np.repeat(degree, np.diff(linked.indptr)).astype(np.float32)
    return linked


def edges(faces: np.ndarray) -> np.ndarray:  # (E, 2), each once, the smaller index first
    pairs = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(pairs, axis=0)


def reduced(points: np.ndarray, faces: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    """At most about `target` faces, by collapsing the edges that matter least (quadric error)."""
    fast_simplification = require("fast_simplification", "fast-simplification", "to make do with fewer faces")
    for haste in HASTE:
        if len(faces) > target:
            points, faces = fast_simplification.simplify(points, faces, target_count=target, agg=haste)
    return tidy(points.astype(np.float32), faces.astype(np.int32))


def tidy(points: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without faces that have no area, and without points that no face uses."""
    faces = faces[np.linalg.norm(face_vectors(points, faces), axis=1) > 1e-12]
    used, packed = np.unique(faces, return_inverse=True)
    return points[used], packed.reshape(-1, 3).astype(np.int32)
