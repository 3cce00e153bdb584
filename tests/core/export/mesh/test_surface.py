"""Surfaces of known solids: where they are, that they are closed, and what is removed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from a124core.export.mesh.mesh import face_vectors, sample_surface, vertex_normals
from a124core.export.mesh.register import genus
from a124core.export.mesh.surface import decimate, fill_interior, fit_surface
from tests.fakes import FunctionField

START = np.array([0.0])


def volume(points: np.ndarray, faces: np.ndarray) -> float:
    """Signed: above 0 where faces look outwards."""
    a, b, c = (points[faces[:, k]].astype(float) for k in range(3))
    return float((a * np.cross(b, c)).sum() / 6.0)


def is_closed(faces: np.ndarray) -> bool:
    """Every edge is used equally often in both directions."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    forward, forward_count = np.unique(edges, axis=0, return_counts=True)
    backward, backward_count = np.unique(edges[:, ::-1], axis=0, return_counts=True)
    return bool(np.array_equal(forward, backward) and np.array_equal(forward_count, backward_count))


def test_a_sphere_is_extracted_where_it_is(solid: type, sphere_at: Callable) -> None:
    fitted = fit_surface(solid(lambda xyz, time: sphere_at(xyz, (0.2, -0.1, 0.1), 0.3)), START, 48)
    points, faces = fitted.surface(0.0)
    radius = np.linalg.norm(points - (0.2, -0.1, 0.1), axis=1)
    assert is_closed(faces)
    assert abs(radius.mean() - 0.3) < 0.01 and radius.std() < 0.004, "within a grid step of 0.0125"
    assert volume(points, faces) == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.08), "and faces look outwards"
    assert 48 * fitted.grid.step == pytest.approx(0.6, abs=0.07), "the grid is laid around the object"


def test_normals_point_outwards(solid: type, sphere_at: Callable) -> None:
    points, faces = fit_surface(solid(lambda xyz, time: sphere_at(xyz)), START, 32).surface(0.0)
    normals = vertex_normals(points, faces)
    assert (normals * points / np.linalg.norm(points, axis=1, keepdims=True)).sum(1).min() > 0.95


def test_a_solid_cut_by_the_cube_is_closed(solid: type, sphere_at: Callable) -> None:
    points, faces = fit_surface(solid(lambda xyz, time: sphere_at(xyz, (0.8, 0, 0), 0.4)), START, 32).surface(0.0)
    assert is_closed(faces) and points[:, 0].max() < 1.1


def test_floaters_and_cavities_are_removed(solid: type, sphere_at: Callable) -> None:
    def shape(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        shell = torch.maximum(sphere_at(xyz), -sphere_at(xyz, radius=0.25))
        return torch.minimum(shell, sphere_at(xyz, (0.7, 0.7, 0.7), 0.06))

    points, faces = fit_surface(solid(shape), START, 64).surface(0.0)
    assert np.linalg.norm(points, axis=1).max() < 0.42 and np.linalg.norm(points, axis=1).min() > 0.38


def test_a_second_part_of_some_size_stays(solid: type, sphere_at: Callable) -> None:
    shape = lambda xyz, time: torch.minimum(sphere_at(xyz), sphere_at(xyz, (0.6, 0.6, 0.0), 0.15))  # noqa: E731
    points, _ = fit_surface(solid(shape), START, 48).surface(0.0)
    assert points[:, 0].max() > 0.7


def test_a_crack_into_a_cavity_is_closed() -> None:
    """A block with a cavity inside and a tunnel one step wide that leads there."""
    height = np.full((40, 40, 40), -1.0)
    height[8:32, 8:32, 8:32] = 1.0
    height[14:26, 14:26, 14:26] = -1.0
    height[20, 20, 26:] = -1.0
    filled = fill_interior(height)
    assert (filled[14:26, 14:26, 14:26] > 0).all() and (filled[:8] < 0).all()
    assert (filled[9:31, 9:31, 9:31] > 0).all()


def test_handles_are_counted(solid: type, sphere_at: Callable, frame_of: Callable) -> None:
    def ring(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        around = (xyz[:, :2].norm(dim=1) - 0.4).square() + xyz[:, 2].square()
        return around.clamp_min(1e-12).sqrt() - 0.12

    assert genus(frame_of(solid(ring))) == 1
    assert genus(frame_of(solid(lambda xyz, time: sphere_at(xyz)))) == 0


def test_decimation_keeps_to_the_number_and_the_surface(solid: type, swinging: object) -> None:
    points, faces = fit_surface(swinging, START, 48).surface(0.0)
    few, fewer = decimate(points, faces, 1500)
    assert len(fewer) <= 1500 < len(faces) and is_closed(fewer)
    assert np.linalg.norm(face_vectors(few, fewer), axis=1).min() > 0
    on, _, _ = sample_surface(few, fewer, 3000, np.random.default_rng(0))
    assert swinging.distance(on, 0.0).mean() < 0.01


def test_an_empty_field_is_refused(solid: type) -> None:
    with pytest.raises(ValueError, match="the field is empty.*Optimize it"):
        fit_surface(solid(lambda xyz, time: torch.ones_like(time)), START, 32)


def test_a_faint_field_still_has_a_surface(sphere_at: Callable) -> None:
    def faint(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return 15.0 * torch.sigmoid(-sphere_at(xyz, radius=0.15) / 0.01), torch.ones_like(xyz)

    points, _ = fit_surface(FunctionField(faint), START, 32).surface(0.0)
    assert np.linalg.norm(points, axis=1).mean() == pytest.approx(0.15, abs=0.03)
