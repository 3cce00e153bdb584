"""As rigid as possible: move points to their goals while every neighbourhood keeps its shape (Sorkine, Alexa 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .clean import edges

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

SOLVE_STEPS = 40  # of conjugate gradients at most; each solve starts from the last
SOLVE_TOLERANCE = 1e-4  # of the residual, relative to its start


@dataclass(frozen=True)
class Shape:
    """A surface at rest. Every edge counts the same: marching cubes leaves slivers that cotangents would trust."""

    rest: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3)

    @cached_property
    def links(self) -> np.ndarray:  # (2E, 2): every edge both ways
        one_way = edges(self.faces)
        return np.concatenate((one_way, one_way[:, ::-1]))

    @cached_property
    def laplacian(self) -> csr_matrix:  # (V, V)
        from scipy.sparse import csr_matrix, diags

        i, j = self.links.T
        count = len(self.rest)
        return (diags(np.bincount(i, minlength=count).astype(float)) - csr_matrix((np.ones(len(i)), (i, j)))).tocsr()

    @cached_property
    def gather(self) -> csr_matrix:  # (V, 2E): sums over the links that start at each vertex
        from scipy.sparse import csr_matrix

        i = self.links[:, 0]
        return csr_matrix((np.ones(len(i)), (i, np.arange(len(i)))), shape=(len(self.rest), len(i)))

    def rotations(self, points: np.ndarray) -> np.ndarray:  # (V, 3, 3)
        """Which turn takes each vertex's neighbours nearest to where they are now (Arun 1987)."""
        i, j = self.links.T
        now, rest = points[i] - points[j], self.rest[i] - self.rest[j]
        spread = (self.gather @ (now[:, :, None] * rest[:, None]).reshape(-1, 9)).reshape(-1, 3, 3)
        u, _, vt = np.linalg.svd(spread)
        u[:, :, 2] *= np.sign(np.linalg.det(u @ vt))[:, None]  # never a mirror
        return u @ vt

    def moved(self, points: np.ndarray, goals: np.ndarray, pull: np.ndarray, stiffness: float) -> np.ndarray:  # (V, 3)
        """One round: turns for these points, then the points that suit turns, stiffness and goals pulled by (V,)."""
        from scipy.sparse import diags

        i, j = self.links.T
        turns = self.rotations(points)
        wanted = np.einsum("eij,ej->ei", 0.5 * (turns[i] + turns[j]), self.rest[i] - self.rest[j])
        right = stiffness * (self.gather @ wanted) + pull[:, None] * goals
        return solved((stiffness * self.laplacian + diags(pull)).tocsr(), right, points)


def solved(matrix: csr_matrix, right: np.ndarray, start: np.ndarray) -> np.ndarray:  # (V, V), (V, 3), (V, 3) -> (V, 3)
    """Conjugate gradients for three right sides at once, scaled by the diagonal."""
    scale = 1.0 / np.maximum(matrix.diagonal(), 1e-9)[:, None]
    x = start.astype(float)
    residual = right - matrix @ x
    way = scale * residual
    power = (residual * way).sum(0)
    enough = SOLVE_TOLERANCE**2 * power.max() + 1e-20
    for _ in range(SOLVE_STEPS):
        if power.max() <= enough:
            break
        ahead = matrix @ way
        step = power / np.maximum((way * ahead).sum(0), 1e-30)
        x += step * way
        residual -= step * ahead
        scaled = scale * residual
        power, before = (residual * scaled).sum(0), power
        way = scaled + power / np.maximum(before, 1e-30) * way
    return x
