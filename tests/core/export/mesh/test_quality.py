"""The figures of the report where they are known: balls one in the other, a missed antenna, a turn cut short."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trimesh

from a124core.export.mesh.mesh import NoSurface, Surface, face_vectors
from a124core.export.mesh.outside import CELLS, seen
from a124core.export.mesh.quality import Off, longest_move, off_between, off_by, told
from a124core.export.mesh.scene import Stretch

GREY = np.full((1, 3), 0.5, np.float32)


def ball(radius: float = 1.0, centre: tuple[float, float, float] = (0, 0, 0)) -> Surface:
    mesh = trimesh.creation.icosphere(4, radius)
    return np.asarray(mesh.vertices + centre, np.float32), np.asarray(mesh.faces, np.int32)


def both(a: Surface, b: Surface) -> Surface:
    return np.concatenate((a[0], b[0])), np.concatenate((a[1], b[1] + len(a[0])))


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """About z."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])).astype(np.float32)


def test_a_ball_within_a_ball() -> None:
    off = off_by(3, ball(1.0), ball(1.1), 2.0)
    assert off.frame == 3 and [off.mean, off.median, off.missed, off.beyond] == pytest.approx([0.05] * 4, abs=0.001)
    same = off_by(0, ball(), ball(), 2.0)
    assert [same.mean, same.median, same.missed, same.beyond] == pytest.approx([0] * 4, abs=1e-6)


def test_an_antenna_that_is_missed_is_seen_though_the_median_is_not_moved() -> None:
    """A ball of a sixth of the radius has 3 % of the surface; it stands two units from the other ball's skin."""
    whole = both(ball(), ball(1 / 6, (3, 0, 0)))
    off, turned_round = off_by(0, ball(), whole, 1.0), off_by(0, whole, ball(), 1.0)
    for one in (off, turned_round):
        assert one.median < 1e-6 and one.mean < 0.05
    assert [off.missed, turned_round.beyond] == pytest.approx([2.0] * 2, abs=0.2)
    assert max(off.beyond, turned_round.missed) < 1e-6


def test_half_way_through_a_quarter_turn_straight_lines_cut_the_corner() -> None:
    points, faces = ball()
    moving = Stretch(2, np.stack([points, turned(points, 10), turned(points, 100)]), faces, GREY)
    assert longest_move([moving]) == (moving, 1)
    asked: list[float] = []

    def surface_at(time: float) -> Surface:
        asked.append(time)
        return points, faces

    off = off_between([moving], np.linspace(0, 1, 5), surface_at, 1.0)
    assert off.frame == 3 and asked == [0.875]
    assert off.missed == pytest.approx(1 - math.cos(math.radians(45)), abs=0.01), "at the equator"


def test_nothing_between_frames_that_do_not_move_or_are_not_there() -> None:
    points, faces = ball()
    alone = [Stretch(k, points[None], faces, GREY) for k in range(2)]
    assert off_between(alone, np.array([0.0, 1.0]), lambda time: (points, faces), 1.0) is None

    def gone(time: float) -> Surface:
        raise NoSurface("nothing is there")

    moving = Stretch(0, np.stack([points, points + 1]), faces, GREY)
    assert off_between([moving], np.array([0.0, 1.0]), gone, 1.0) is None


def test_what_is_too_far_off_is_said_with_where_and_what_to_change() -> None:
    good, bad = Off(4, 0.001, 0.001, 0.01, 0.09), Off(6, 0.002, 0.001, 0.08, 0.01)
    near = "half of the surface is within 0.10 % of the scene's size, 99 % of what is seen within 1.00 %."
    fine = [f"At frame 4, the worst, {near}", f"Half-way between frames 4 and 5, the fastest move, {near}"]
    assert told([good], good, 8, True) == fine, "what the field has lost and the mesh carries on is no fault"
    missed, half_way = told([good, bad], good, 8, True)
    assert missed.startswith("At frame 6 a part of the scene is missed (1 % of what is seen is off by 8.0 % of")
    assert missed.endswith("export a flip-book, PLY or OBJ sequence, or take more frames.") and half_way == fine[1]
    _, fast = told([good], bad, 8, True)
    assert fast.startswith("Between frames 6 and 7 the mesh misses a fast move (1 % of what is seen is off by 8.0 %")
    assert fast.endswith("take more than 8 frames.")
    assert "take" not in told([bad], bad, 8, True)[1], "what a frame lacks already is no matter of speed"
    assert "take more than 8" in told([bad], Off(6, 0.002, 0.001, 0.12, 0.01), 8, True)[1]


def test_a_mesh_for_each_frame_and_a_still_have_one_sentence() -> None:
    off = Off(0, 0.002, 0.001, 0.08, 0.01)
    near = "alf of the surface is within 0.10 % of the scene's size, 99 % of what is seen within 8.00 %."
    assert told([off], None, 1, False) == [f"H{near}"]
    assert told([off], None, 8, False) == [f"At frame 0, the worst, h{near}"]


def test_a_moving_mesh_gets_its_advice_where_nothing_is_there_half_way_too() -> None:
    (said,) = told([Off(0, 0.002, 0.001, 0.08, 0.01)], None, 8, True)
    assert said.startswith("At frame 0 a part of the scene is missed") and said.endswith("or take more frames.")


def room(mouth: float) -> Surface:
    """A ball with a room of half its radius, and holes above each other in the walls of both, so wide to each side."""
    (points, faces), (walls, inward) = ball(), ball(0.5)
    return both((points, faces[_beside(points, faces, mouth)]), (walls, inward[_beside(walls, inward, mouth)][:, ::-1]))


def _beside(points: np.ndarray, faces: np.ndarray, mouth: float) -> np.ndarray:  # (F,) bool
    x, y, z = points[faces].mean(1).T
    return (z < 0.0) | (np.hypot(x, y) > mouth)


@pytest.mark.parametrize("mouth", [0.0, 0.2])
def test_what_is_seen_of_a_room_is_what_its_mouth_shows(mouth: float) -> None:
    """The disc on its floor that lies below the mouth, to a cell of the depth map. All of the outside is seen."""
    surface, size = room(mouth), 2 * math.sqrt(3)
    points, normals = surface[0][surface[1]].mean(1), face_vectors(*surface)
    found, within = seen(points, normals, surface, size), np.linalg.norm(points, axis=1) < 0.6
    assert found[~within].all()
    aside, cell = np.hypot(*points[:, :2].T), math.sqrt(2) * size / CELLS
    assert found[within & (points[:, 2] < 0.0) & (aside < mouth - cell)].all()
    assert not found[within & (aside > mouth + cell)].any()


def test_a_room_that_the_mesh_lacks_is_not_missed() -> None:
    off = off_by(0, ball(), room(0.0), 2.0)
    assert off.missed < 1e-6 and off.mean > 0.01, "the mean is of all the surface"
