"""As-rigid-as-possible deformation: rotations, deformed sheets, and linear algebra that agrees with numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from a124core.export.mesh.arap import ArapSolver, conjugate_gradients


def sheet(side: int = 6) -> ArapSolver:
    """A bent sheet of triangles."""
    x, y = (a.ravel().astype(float) for a in np.meshgrid(np.arange(side), np.arange(side)))
    at = np.arange(side * side).reshape(side, side)
    a, b, c, d = at[:-1, :-1].ravel(), at[:-1, 1:].ravel(), at[1:, 1:].ravel(), at[1:, :-1].ravel()
    faces = np.concatenate((np.stack((a, b, c), 1), np.stack((a, c, d), 1)))
    return ArapSolver(np.stack((x, y, 0.1 * x * y), axis=1), faces)


def rotation(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def test_the_rotation_is_estimated_at_every_vertex() -> None:
    solver, turn = sheet(), rotation(70.0)
    assert solver.rotations(solver.rest @ turn.T) == pytest.approx(np.broadcast_to(turn, (36, 3, 3)), abs=1e-6)


def test_a_mirrored_sheet_is_rotated_never_reflected() -> None:
    solver = sheet()
    rotations = solver.rotations(solver.rest * (1.0, 1.0, -1.0))
    assert np.linalg.det(rotations) == pytest.approx(1.0)


def test_a_few_targets_move_the_whole_sheet_unbent() -> None:
    solver = sheet()
    targets = solver.rest @ rotation(25.0).T + (0.3, 0.2, 0.1)
    weights = np.zeros(36)
    weights[[0, 5, 30, 35, 14]] = 50.0
    points = solver.rest
    for _ in range(200):
        points = solver.deform(points, targets, weights, 1.0)
    assert points == pytest.approx(targets, abs=0.02)


def test_conjugate_gradients_solve() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(20, 20))
    matrix, right = root @ root.T + 5.0 * np.eye(20), rng.normal(size=(20, 3))
    solution = conjugate_gradients(csr_matrix(matrix), right, np.zeros((20, 3)))
    assert solution == pytest.approx(np.linalg.solve(matrix, right), abs=1e-3)
