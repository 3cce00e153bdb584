"""Errors where they are known: balls one in the other, a missed antenna, a rotation cut short."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import trimesh
from trimesh.triangles import closest_point

from a124core.export.mesh.mesh import (
    EmptySurfaceError,
    MeshSequence,
    Segment,
    Surface,
    face_vectors,
    sample_surface,
)
from a124core.export.mesh.quality import (
    DEPTH_CELLS,
    SurfaceError,
    describe_errors,
    distances_to,
    error_between_frames,
    hausdorff_distance,
    is_visible,
    longest_move,
    mean_distance,
    surface_error,
)

GREY = np.full((1, 3), 0.5, np.float32)


def ball(radius: float = 1.0, centre: tuple[float, float, float] = (0, 0, 0)) -> Surface:
    mesh = trimesh.creation.icosphere(4, radius)
    return np.asarray(mesh.vertices + centre, np.float32), np.asarray(mesh.faces, np.int32)


def joined(a: Surface, b: Surface) -> Surface:
    return np.concatenate((a[0], b[0])), np.concatenate((a[1], b[1] + len(a[0])))


def rotated(points: np.ndarray, degrees: float) -> np.ndarray:
    """Rotate about z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])).astype(np.float32)


def sequence(frames: int, moves: bool) -> MeshSequence:
    """An empty mesh for each frame, or one for all."""
    lengths = [frames] if moves else [1] * frames
    return MeshSequence([Segment(k, np.zeros((n, 0, 3)), None, None) for k, n in enumerate(lengths)], 8.0, False)


def test_a_ball_within_a_ball() -> None:
    error = surface_error(3, ball(1.0), ball(1.1), 2.0)
    assert error.frame == 3
    assert [error.mean, error.median, error.completeness, error.accuracy] == pytest.approx([0.05] * 4, abs=0.001)
    same = surface_error(0, ball(), ball(), 2.0)
    assert [same.mean, same.median, same.completeness, same.accuracy] == pytest.approx([0] * 4, abs=1e-6)


def test_a_missed_antenna_counts_though_the_median_does_not_change() -> None:
    """A ball of a sixth of the radius has 3 % of the surface; it stands two units from the other ball's skin."""
    whole = joined(ball(), ball(1 / 6, (3, 0, 0)))
    missing, additional = surface_error(0, ball(), whole, 1.0), surface_error(0, whole, ball(), 1.0)
    for error in (missing, additional):
        assert error.median < 1e-6 and error.mean < 0.05
    assert [missing.completeness, additional.accuracy] == pytest.approx([2.0] * 2, abs=0.2)
    assert max(missing.accuracy, additional.completeness) < 1e-6


def test_half_way_through_a_quarter_turn_straight_lines_cut_the_corner() -> None:
    points, faces = ball()
    moving = Segment(2, np.stack([points, rotated(points, 10), rotated(points, 100)]), faces, GREY)
    assert longest_move([moving]) == (moving, 1)
    times: list[float] = []

    def surface_at(time: float) -> Surface:
        times.append(time)
        return points, faces

    error = error_between_frames([moving], np.linspace(0, 1, 5), surface_at, 1.0)
    assert error.frame == 3 and times == [0.875]
    assert error.completeness == pytest.approx(1 - math.cos(math.radians(45)), abs=0.01), "at the equator"


def test_no_error_between_frames_that_do_not_move_or_have_no_surface() -> None:
    points, faces = ball()
    alone = [Segment(k, points[None], faces, GREY) for k in range(2)]
    assert error_between_frames(alone, np.array([0.0, 1.0]), lambda time: (points, faces), 1.0) is None

    def empty(time: float) -> Surface:
        raise EmptySurfaceError("nothing is there")

    moving = Segment(0, np.stack([points, points + 1]), faces, GREY)
    assert error_between_frames([moving], np.array([0.0, 1.0]), empty, 1.0) is None


def test_large_errors_are_described_with_their_frame_and_what_to_change() -> None:
    good, bad = SurfaceError(4, 0.001, 0.001, 0.01, 0.09), SurfaceError(6, 0.002, 0.001, 0.08, 0.01)
    moving = sequence(8, moves=True)
    near = "half of the surface is within 0.10 % of the scene's size, 99 % of the visible surface within 1.00 %."
    fine = [f"At frame 4, the worst, {near}", f"Half-way between frames 4 and 5, the fastest move, {near}"]
    assert describe_errors([good], good, moving) == fine, "what the field has lost and the mesh keeps is no fault"
    missed, half_way = describe_errors([good, bad], good, moving)
    assert missed.startswith("At frame 6 a part of the scene is missed (1 % of the visible surface is off by 8.0 % of")
    assert missed.endswith("export a flip-book, PLY or OBJ sequence, or take more frames.") and half_way == fine[1]
    _, fast = describe_errors([good], bad, moving)
    assert fast.startswith("Between frames 6 and 7 the mesh misses a fast move (1 % of the visible surface is off by 8")
    assert fast.endswith("take more than 8 frames.")
    assert "take" not in describe_errors([bad], bad, moving)[1], "what a frame lacks already is no matter of speed"
    worse = SurfaceError(6, 0.002, 0.001, 0.12, 0.01)
    assert "take more than 8" in describe_errors([bad], worse, moving)[1]


def test_a_flip_book_and_a_still_have_one_sentence() -> None:
    error = SurfaceError(0, 0.002, 0.001, 0.08, 0.01)
    near = "alf of the surface is within 0.10 % of the scene's size, 99 % of the visible surface within 8.00 %."
    assert describe_errors([error], None, sequence(1, moves=False)) == [f"H{near}"]
    assert describe_errors([error], None, sequence(8, moves=False)) == [f"At frame 0, the worst, h{near}"]


def test_a_moving_mesh_gets_its_advice_where_there_is_no_surface_half_way_too() -> None:
    (advice,) = describe_errors([SurfaceError(0, 0.002, 0.001, 0.08, 0.01)], None, sequence(8, moves=True))
    assert advice.startswith("At frame 0 a part of the scene is missed") and advice.endswith("or take more frames.")


def hollow_ball(mouth: float) -> Surface:
    """A ball with a cavity of half its radius, and holes above each other in the walls of both, of radius mouth."""
    (points, faces), (walls, inward) = ball(), ball(0.5)
    return joined(
        (points, faces[_beside(points, faces, mouth)]), (walls, inward[_beside(walls, inward, mouth)][:, ::-1])
    )


def _beside(points: np.ndarray, faces: np.ndarray, mouth: float) -> np.ndarray:  # (F,) bool
    x, y, z = points[faces].mean(1).T
    return (z < 0.0) | (np.hypot(x, y) > mouth)


@pytest.mark.parametrize("mouth", [0.0, 0.2])
def test_of_a_cavity_only_what_its_mouth_shows_is_visible(mouth: float) -> None:
    """The disc on its floor that lies below the mouth, to a cell of the depth map. All of the outside is visible."""
    surface, size = hollow_ball(mouth), 2 * math.sqrt(3)
    points, normals = surface[0][surface[1]].mean(1), face_vectors(*surface)
    visible, inner = is_visible(points, normals, surface, size), np.linalg.norm(points, axis=1) < 0.6
    assert visible[~inner].all()
    radius, cell = np.hypot(*points[:, :2].T), math.sqrt(2) * size / DEPTH_CELLS
    assert visible[inner & (points[:, 2] < 0.0) & (radius < mouth - cell)].all()
    assert not visible[inner & (radius > mouth + cell)].any()


def test_a_mesh_need_not_have_an_invisible_cavity() -> None:
    error = surface_error(0, ball(), hollow_ball(0.0), 2.0)
    assert error.completeness < 1e-6 and error.mean > 0.01, "the mean is of all the surface"


def test_the_mean_distance_of_two_balls_is_that_of_their_radii(
    frame_of: Callable, solid: type, sphere_at: Callable
) -> None:
    mesh = frame_of(solid(lambda xyz, time: sphere_at(xyz)))
    larger = (mesh.vertices * 1.1, mesh.faces)
    assert mean_distance((mesh.vertices, mesh.faces), larger, 4000) == pytest.approx(0.04, rel=0.05)
    assert mean_distance(larger, larger, 4000) < 1e-6, "every point of a surface lies on one of its triangles"


def test_distances_are_those_of_trying_every_triangle(frame_of: Callable, swinging: object) -> None:
    """Small faces and large ones side by side: thirds of the faces lose their neighbours, and one square is vast."""
    mesh = frame_of(swinging)
    square = np.array([[-2, -0.4, -2], [2, -0.4, -2], [2, -0.4, 2], [-2, -0.4, 2]])
    corners = np.array([[0, 1, 2], [0, 2, 3]]) + len(mesh.vertices)
    vertices, faces = np.concatenate((mesh.vertices, square)), np.concatenate((mesh.faces[::3], corners))
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (400, 3))
    closest = [closest_point(vertices[faces], np.tile(point, (len(faces), 1))) for point in points]
    exact = np.linalg.norm(np.array(closest) - points[:, None], axis=2).min(1)
    distances = distances_to(points, (vertices, faces))
    assert (distances >= exact - 1e-9).all() and (distances - exact).mean() < 1e-4


def test_the_hausdorff_distance_counts_both_directions() -> None:
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], float)
    peak = np.concatenate((flat, [[0.2, 0.2, 0.5]]))
    low, high = (flat, np.array([[0, 1, 2]])), (peak, np.array([[0, 1, 3], [1, 2, 3], [2, 0, 3]]))
    assert hausdorff_distance(low, high) == hausdorff_distance(high, low) == pytest.approx(0.5)


def test_a_needle_and_a_collapsed_triangle_have_distances_too() -> None:
    needle = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 0, 0]])
    faces = np.array([[0, 1, 2], [0, 0, 1]])
    assert distances_to(np.array([[0.7, 1.0, 0.0]]), (needle, faces)) == pytest.approx([1.0])


def test_points_are_sampled_by_area() -> None:
    vertices = np.array([[0, 0, 0], [3, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    _, face, weights = sample_surface(vertices, np.array([[0, 1, 2], [0, 2, 3]]), 4000, np.random.default_rng(0))
    assert (face == 0).mean() == pytest.approx(0.75, abs=0.01), "three times the area, three times the points"
    assert weights.sum(1) == pytest.approx(1.0) and weights.min() >= 0
