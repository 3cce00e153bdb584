"""As-rigid-as-possible deformation: vertices move to targets, every neighbourhood keeps its shape (Sorkine 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...utils.rotations import nearest_rotations
from .mesh import unique_edges

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MAX_ITERATIONS = 40  # of conjugate gradients; each solve starts from the last
TOLERANCE = 1e-4  # of the residual, relative to its start


@dataclass(frozen=True)
class ArapSolver:
    """A surface at rest. All edges weigh the same: marching cubes leaves slivers, which cotangents would trust."""

    rest: np.ndarray  # (V, 3)
    faces: np.ndarray  # (F, 3)

    @cached_property
    def edges(self) -> np.ndarray:  # (2E, 2): both ways
        edges = unique_edges(self.faces)
        return np.concatenate((edges, edges[:, ::-1]))

    @cached_property
    def laplacian(self) -> csr_matrix:  # (V, V)
        from scipy.sparse import csr_matrix, diags

        i, j = self.edges.T
        degree = np.bincount(i, minlength=len(self.rest)).astype(float)
        return (diags(degree) - csr_matrix((np.ones(len(i)), (i, j)))).tocsr()

    @cached_property
    def edge_sum(self) -> csr_matrix:  # (V, 2E): sums over the edges that start at each vertex
        from scipy.sparse import csr_matrix

        i = self.edges[:, 0]
        return csr_matrix((np.ones(len(i)), (i, np.arange(len(i)))), shape=(len(self.rest), len(i)))

    def rotations(self, points: np.ndarray) -> np.ndarray:  # (V, 3, 3)
        """Return the rotation that best takes each vertex's edges to where they are now (Arun 1987)."""
        i, j = self.edges.T
        current, rest = points[i] - points[j], self.rest[i] - self.rest[j]
        covariance = (self.edge_sum @ (current[:, :, None] * rest[:, None]).reshape(-1, 9)).reshape(-1, 3, 3)
        return nearest_rotations(covariance)

    def deform(self, points: np.ndarray, targets: np.ndarray, weights: np.ndarray, stiffness: float) -> np.ndarray:
        """Make one round from points (V, 3), with targets (V, 3) of weights (V,): local rotations, then the points that
        minimise both energies -> (V, 3)."""
        from scipy.sparse import diags

        i, j = self.edges.T
        rotations = self.rotations(points)
        rotated = np.einsum("eij,ej->ei", 0.5 * (rotations[i] + rotations[j]), self.rest[i] - self.rest[j])
        right = stiffness * (self.edge_sum @ rotated) + weights[:, None] * targets
        return conjugate_gradients((stiffness * self.laplacian + diags(weights)).tocsr(), right, points)


def conjugate_gradients(matrix: csr_matrix, right: np.ndarray, start: np.ndarray) -> np.ndarray:  # (V, V), (V, 3) twice
    """Solve for three right sides at once, which scipy's cannot, with Jacobi's preconditioner -> (V, 3)."""
    inverse = 1.0 / np.maximum(matrix.diagonal(), 1e-9)[:, None]
    x = start.astype(float)
    residual = right - matrix @ x
    direction = inverse * residual
    power = (residual * direction).sum(0)
    enough = TOLERANCE**2 * power.max() + 1e-20
    for _ in range(MAX_ITERATIONS):
        if power.max() <= enough:
            break
        product = matrix @ direction
        step = power / np.maximum((direction * product).sum(0), 1e-30)
        x += step * direction
        residual -= step * product
        preconditioned = inverse * residual
        power, previous = (residual * preconditioned).sum(0), power
        direction = preconditioned + power / np.maximum(previous, 1e-30) * direction
    return x
