"""Tracking, against surfaces that are known at every time; and what happens where it cannot be done."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from a124core.export.mesh.build import Built, build
from a124core.export.mesh.distance import one_way
from a124core.export.mesh.mesh import diagonal, spread
from a124core.export.mesh.options import MeshOptions
from a124core.export.mesh.track import STIFFNESS
from a124core.field.occupancy import Occupancy


def test_one_surface_follows_a_known_motion_within_one_percent(built: Built, swinging: object) -> None:
    (stretch,) = built.scene.stretches
    assert len(stretch.points) == built.scene.frames == 6 and not built.notes
    size = max(diagonal(points) for points in stretch.points)
    for time, points in zip(built.times, stretch.points, strict=True):
        on = spread(points, stretch.faces, 4000, np.random.default_rng(0))
        truth = swinging.surface(float(time))
        off, missed = swinging.off(on[0], float(time)), one_way(truth, (points, stretch.faces))
        assert 0.5 * (off.mean() + missed.mean()) < 0.01 * size, f"at time {time}"
        assert np.quantile(missed, 0.99) < 0.05 * size, f"a part is missed at time {time}"


def test_the_report_says_what_is_so(built: Built) -> None:
    assert len(built.off) == len(built.colour_error) == 6
    assert max(off.mean for off in built.off) < 0.01 and np.mean(built.colour_error) < 0.05


def test_points_keep_to_their_colours_while_the_body_turns(built: Built, swinging: object) -> None:
    """The pattern swings with the body: a surface that slid along itself would show other colours."""
    (stretch,) = built.scene.stretches
    body = stretch.points[0][:, 1] > 0.05  # the feet stand still under a pattern that turns
    for time, points in zip(built.times, stretch.points, strict=True):
        there = torch.full((len(points),), float(time))
        seen = swinging(torch.from_numpy(points), there)[1].numpy()
        assert np.abs(seen - stretch.colours)[body].mean() < 0.08


def test_no_face_is_torn_or_folded(built: Built) -> None:
    (stretch,) = built.scene.stretches
    length = np.linalg.norm(stretch.points[:, stretch.faces[:, 0]] - stretch.points[:, stretch.faces[:, 1]], axis=2)
    stretched = length / np.median(length, axis=0)
    assert 0.3 < np.quantile(stretched, 0.01) and np.quantile(stretched, 0.99) < 2.0


@pytest.fixture
def growing(solid: type, sphere_at: Callable) -> object:
    """A ball, joined in the second half of the scene by another."""

    def shape(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        later = torch.where(time > 0.5, 0.0, 9.0)
        return torch.minimum(sphere_at(xyz, radius=0.3), sphere_at(xyz, (0.6, 0.5, 0), 0.25) + later)

    return solid(shape)


def test_where_a_part_appears_a_new_template_begins(growing: object) -> None:
    made = build(growing, MeshOptions(frames=4, resolution=24, faces=400), fixed=True)
    assert [s.first for s in made.scene.stretches] == [0, 2] and made.scene.frames == 4
    assert "began anew" in made.notes[0] and "frame 2" in made.notes[0]
    assert max(off.mean for off in made.off) < 0.01


def test_with_too_many_templates_it_becomes_a_flip_book(growing: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.mesh.scene.MOST_STRETCHES", 1)
    made = build(growing, MeshOptions(frames=3, resolution=24, faces=400), fixed=True)
    assert len(made.scene.stretches) == 3 and "flip-book" in made.notes[0]
    assert max(off.mean for off in made.off) < 0.01


def test_a_field_that_never_moves_is_one_mesh(solid: type, sphere_at: Callable) -> None:
    made = build(solid(lambda xyz, time: sphere_at(xyz)), MeshOptions(frames=5, resolution=24, faces=500), fixed=True)
    assert made.scene.frames == 1 and "never moves" in made.notes[0]


def test_a_finger_that_moves_is_movement(solid: type, sphere_at: Callable) -> None:
    """Far less than a hundredth of the surface: a mean would not notice."""

    def shape(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        tip = xyz - torch.stack((0 * time, 0.45 + 0.06 * time, 0 * time), 1)
        return torch.minimum(sphere_at(xyz), ((tip / torch.tensor([0.05, 0.25, 0.05])).norm(dim=1) - 1.0) * 0.05)

    made = build(solid(shape), MeshOptions(frames=2, resolution=40, faces=1500), fixed=False)
    assert not made.notes, "it does move"
    before, after = (stretch.points[0, :, 1].max() for stretch in made.scene.stretches)
    assert after > before + 0.03


@pytest.mark.parametrize("fixed", [True, False])
def test_a_still_body_that_changes_its_colour_is_no_still(sphere_at: Callable, fixed: bool) -> None:
    def blushing(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        colour = torch.stack((0.2 + 0.6 * time, 0.2 + 0 * time, 0.3 + 0 * time), 1)
        return 200.0 * torch.sigmoid(-sphere_at(xyz) / 0.002), colour

    blushing.occupancy = Occupancy(torch.ones(1, 4, 4, 4), 0.5)
    made = build(blushing, MeshOptions(frames=3, resolution=24, faces=400), fixed=fixed)
    assert made.scene.frames == 3 and ("a flip-book shows them" in " ".join(made.notes)) == fixed
    if not fixed:
        assert [s.colours[:, 0].mean() for s in made.scene.stretches] == pytest.approx([0.2, 0.5, 0.8], abs=0.01)


def test_a_loop_does_not_show_its_first_moment_twice(solid: type, swinging: object) -> None:
    looped = solid(swinging.shape, swinging.turn, loop=True)
    made = build(looped, MeshOptions(frames=4, resolution=24, faces=500), fixed=False)
    assert made.times.tolist() == [0.0, 0.25, 0.5, 0.75] and made.scene.loop


def test_a_part_that_is_gone_is_said_with_its_time(solid: type, sphere_at: Callable) -> None:
    gone = solid(lambda xyz, time: sphere_at(xyz, radius=0.3) + torch.where(time > 0.6, 9.0, 0.0))
    with pytest.raises(ValueError, match="no faces are left at time 1.00"):
        build(gone, MeshOptions(frames=3, resolution=24, faces=500), fixed=True)


def test_progress_runs_from_first_to_last_and_is_told_within_every_long_step(
    swinging: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told can cancel: in the look for the object, in a surface, in fitting one frame, in the figures."""
    monkeypatch.setattr("a124core.export.mesh.surface.SLAB", 4000)
    told: list[tuple[int, int, str]] = []
    few = MeshOptions(frames=3, resolution=24, faces=500)
    build(swinging, few, fixed=True, on_progress=lambda *step: told.append(step))
    at = [done for done, _, _ in told]
    assert at == sorted(at) and at[-1] == 8 and {total for _, total, _ in told} == {8}
    assert at.count(0) > 3 + 3, "each time of the survey, and the slabs of the first surface"
    assert at.count(3) > len(STIFFNESS), "the rounds in which a frame is fitted"
    assert at.count(8) > 3, "the distances of the report"


@pytest.mark.parametrize(("fixed", "size"), [(True, "about 0.5 MB as a GLB"), (False, "about 1.1 MB as a GLB")])
def test_the_size_is_told_from_the_first_surface_on_and_the_work_can_be_stopped(
    swinging: object, fixed: bool, size: str
) -> None:
    told: list[str] = []

    def stop(done: int, total: int, what: str) -> None:
        told.append(what)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(swinging, MeshOptions(frames=2, resolution=24, faces=500, texture=512), fixed, stop)
    assert told[0] == "looking for the object" and told[-1] == f"surface, {size}"


def test_a_moment_between_frames_at_which_nothing_is_there_is_passed_over(solid: type, sphere_at: Callable) -> None:
    """A ball that flies so far that smaller steps are tried, and is gone in the middle of its flight."""

    def shape(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        at = xyz - torch.stack((0.8 * time - 0.4, 0 * time, 0 * time), 1)
        return sphere_at(at, radius=0.3) + torch.where((time - 0.5).abs() < 0.1, 9.0, 0.0)

    made = build(solid(shape), MeshOptions(frames=2, resolution=24, faces=500), fixed=True)
    assert made.scene.frames == 2 and max(off.mean for off in made.off) < 0.02
