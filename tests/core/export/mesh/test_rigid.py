"""As rigid as possible: turns found, turns followed, and linear algebra that agrees with numpy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from a124core.export.mesh.rigid import Shape, solved


def grid(side: int = 6) -> Shape:
    """A bent sheet of triangles."""
    x, y = (a.ravel().astype(float) for a in np.meshgrid(np.arange(side), np.arange(side)))
    at = np.arange(side * side).reshape(side, side)
    a, b, c, d = at[:-1, :-1].ravel(), at[:-1, 1:].ravel(), at[1:, 1:].ravel(), at[1:, :-1].ravel()
    faces = np.concatenate((np.stack((a, b, c), 1), np.stack((a, c, d), 1)))
    return Shape(np.stack((x, y, 0.1 * x * y), axis=1), faces)


def rotation(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def test_a_turn_is_found_at_every_vertex() -> None:
    shape, turn = grid(), rotation(70.0)
    assert shape.rotations(shape.rest @ turn.T) == pytest.approx(np.broadcast_to(turn, (36, 3, 3)), abs=1e-6)


def test_a_mirrored_sheet_is_turned_never_mirrored() -> None:
    shape = grid()
    turns = shape.rotations(shape.rest * (1.0, 1.0, -1.0))
    assert np.linalg.det(turns) == pytest.approx(1.0)


def test_a_few_pulled_corners_take_the_sheet_along_unbent() -> None:
    shape = grid()
    goals = shape.rest @ rotation(25.0).T + (0.3, 0.2, 0.1)
    pull = np.zeros(36)
    pull[[0, 5, 30, 35, 14]] = 50.0
    points = shape.rest
    for _ in range(200):
        points = shape.moved(points, goals, pull, 1.0)
    assert points == pytest.approx(goals, abs=0.02)


def test_conjugate_gradients_solve() -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(20, 20))
    matrix, right = root @ root.T + 5.0 * np.eye(20), rng.normal(size=(20, 3))
    assert solved(csr_matrix(matrix), right, np.zeros((20, 3))) == pytest.approx(
        np.linalg.solve(matrix, right), abs=1e-3
    )
