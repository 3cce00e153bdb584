"""Distances between surfaces, against searching everything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from a124core.export.mesh.distance import closest_on_triangle, distances, farthest, one_way, surface_distance
from a124core.export.mesh.mesh import spread


def test_closest_on_triangle_against_a_fine_net_of_points() -> None:
    rng = np.random.default_rng(0)
    corners, points = rng.normal(size=(40, 3, 3)), rng.normal(size=(40, 3)) * 2
    u, v = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 200)))
    net = np.stack((1 - u - v, u, v))[:, u + v <= 1 + 1e-9]  # (3, M)
    on = np.einsum("tkx,km->tmx", corners, net)
    best = np.linalg.norm(points[:, None] - on, axis=-1).min(1)
    found = np.linalg.norm(points - closest_on_triangle(points, corners), axis=-1)
    assert (found <= best + 1e-9).all() and (found > best - 0.02).all()


def test_a_needle_has_a_closest_point_too() -> None:
    flat = np.array([[[0.0, 0, 0], [1, 0, 0], [0.5, 0, 0]]])
    assert closest_on_triangle(np.array([[0.7, 1.0, 0.0]]), flat) == pytest.approx(np.array([[0.7, 0.0, 0.0]]))


def test_two_balls_are_as_far_apart_as_their_radii(frame_of: Callable, solid: type, sphere_at: Callable) -> None:
    mesh = frame_of(solid(lambda xyz, time: sphere_at(xyz)))
    larger = (mesh.points * 1.1, mesh.faces)
    assert surface_distance((mesh.points, mesh.faces), larger, 4000) == pytest.approx(0.04, rel=0.05)
    itself = surface_distance(larger, larger, 4000)
    assert itself < 1e-6, "every point of a surface lies on one of its triangles"


def test_distances_are_those_of_searching_every_triangle(frame_of: Callable, swinging: object) -> None:
    """Small faces and large ones side by side: thirds of the faces lose their neighbours, and one square is vast."""
    mesh = frame_of(swinging)
    vast = np.array([[-2, -0.4, -2], [2, -0.4, -2], [2, -0.4, 2], [-2, -0.4, 2]])
    corners = np.array([[0, 1, 2], [0, 2, 3]]) + len(mesh.points)
    points, faces = np.concatenate((mesh.points, vast)), np.concatenate((mesh.faces[::3], corners))
    asked = np.random.default_rng(0).uniform(-0.8, 0.8, (400, 3))
    best = np.min([
        np.linalg.norm(asked[:, None] - closest_on_triangle(asked[:, None], points[part]), axis=-1).min(1)
        for part in np.array_split(faces, 9)
    ], axis=0)  # fmt: skip
    found = one_way(asked, (points, faces))
    assert (found >= best - 1e-9).all() and (found - best).mean() < 1e-4


def test_the_farthest_point_counts_in_both_directions() -> None:
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    peak = np.concatenate((flat, [[0.2, 0.2, 0.5]]))
    one, more = np.array([[0, 1, 2]]), np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]])
    assert farthest((flat, one), (peak, more)) == farthest((peak, more), (flat, one)) == pytest.approx(0.5)


def test_a_missing_part_shows_on_one_side_only() -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    far = np.concatenate((square, square + (0, 0, 1.0)))
    one, two = np.array([[0, 1, 2], [0, 2, 3]]), np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    there, back = distances((square, one), (far, two), 2000)
    assert there.max() < 1e-9 and back.mean() == pytest.approx(0.5, abs=0.01)


def test_points_are_spread_by_area() -> None:
    points = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    _, face, weights = spread(points, np.array([[0, 1, 2], [0, 2, 3]]), 4000, np.random.default_rng(0))
    assert (face == 0).mean() == pytest.approx(0.75, abs=0.01), "three times the area, three times the points"
    assert weights.sum(1) == pytest.approx(1.0) and weights.min() >= 0
