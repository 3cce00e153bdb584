"""A mesh, and what is read off any mesh: normals, size, points spread over it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Mesh:
    """A closed surface at one time. World axes and units of the field; faces counter-clockwise seen from outside."""

    points: np.ndarray  # (V, 3) float32
    faces: np.ndarray  # (F, 3) int32
    normals: np.ndarray  # (V, 3) float32, outward unit vectors
    colours: np.ndarray  # (V, 3) float32 in [0, 1], sRGB as the field and its pictures have them


class NoSurface(ValueError):
    """There is nothing at a moment."""


Surface = tuple[np.ndarray, np.ndarray]  # points (V, 3), faces (F, 3)


@dataclass(frozen=True)
class Frame:
    """What is known of one moment."""

    time: float  # in [0, 1]
    mesh: Mesh  # decimated and coloured
    surface: Surface  # the full one it came from, which errors are measured against


def face_vectors(points: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (F, 3)
    """Normals of the faces, as long as twice their area."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (V, 3) unit, float32
    """Mean of the faces around each vertex, weighted by their area; straight up where a vertex has no area around."""
    vectors = face_vectors(points, faces)
    sums = np.stack(
        [sum(np.bincount(faces[:, k], vectors[:, axis], len(points)) for k in range(3)) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 1e-12, sums / np.maximum(length, 1e-12), (0.0, 1.0, 0.0)).astype(np.float32)


def diagonal(points: np.ndarray) -> float:
    """Of the axis-aligned box around the points: what distances are measured against."""
    return float(np.linalg.norm(points.max(0) - points.min(0)))


def spread(
    points: np.ndarray, faces: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Evenly by area: points (count, 3), the face of each (count,), its barycentric coordinates (count, 3)."""
    area = np.linalg.norm(face_vectors(points, faces), axis=1)
    at = (np.arange(count) + rng.random(count)) / count  # stratified: no bare patches
    face = np.minimum(np.searchsorted(np.cumsum(area) / area.sum(), at), len(faces) - 1)
    root, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack((1 - root, root * (1 - v), root * v), axis=1)
    return (points[faces[face]] * weights[:, :, None]).sum(1), face, weights
