"""Registration, against surfaces that are known at every time; and what happens where it fails."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from a124core.export.mesh.build import MeshBuild, build
from a124core.export.mesh.mesh import diagonal, sample_surface
from a124core.export.mesh.options import MeshOptions
from a124core.export.mesh.quality import distances_to
from a124core.export.mesh.register import STIFFNESS
from tests.fakes import EVERYWHERE, FunctionField


def test_one_mesh_follows_a_known_motion_within_one_percent(built: MeshBuild, swinging: object) -> None:
    (segment,) = built.sequence.segments
    assert len(segment.vertices) == built.sequence.n_frames == 6 and not built.notes
    size = max(diagonal(points) for points in segment.vertices)
    for time, points in zip(built.times, segment.vertices, strict=True):
        on = sample_surface(points, segment.faces, 4000, np.random.default_rng(0))
        truth = swinging.surface(float(time))
        to_truth, to_mesh = swinging.distance(on[0], float(time)), distances_to(truth, (points, segment.faces))
        assert 0.5 * (to_truth.mean() + to_mesh.mean()) < 0.01 * size, f"at time {time}"
        assert np.quantile(to_mesh, 0.99) < 0.05 * size, f"a part is missed at time {time}"


def test_errors_of_a_known_motion_are_small(built: MeshBuild) -> None:
    assert len(built.errors) == len(built.colour_errors) == 6
    assert max(error.mean for error in built.errors) < 0.01 and np.mean(built.colour_errors) < 0.05


def test_vertices_keep_their_colours_while_the_body_turns(built: MeshBuild, swinging: object) -> None:
    """The pattern swings with the body: a surface that slid along itself would show other colours."""
    (segment,) = built.sequence.segments
    body = segment.vertices[0][:, 1] > 0.05  # the feet stand still under a pattern that turns
    for time, points in zip(built.times, segment.vertices, strict=True):
        times = torch.full((len(points),), float(time))
        colours = swinging(torch.from_numpy(points), times)[1].numpy()
        assert np.abs(colours - segment.colours)[body].mean() < 0.08


def test_no_face_is_torn_or_folded(built: MeshBuild) -> None:
    (segment,) = built.sequence.segments
    length = np.linalg.norm(segment.vertices[:, segment.faces[:, 0]] - segment.vertices[:, segment.faces[:, 1]], axis=2)
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
    result = build(growing, MeshOptions(frames=4, resolution=24, faces=400), tracked=True)
    assert [s.first for s in result.sequence.segments] == [0, 2] and result.sequence.n_frames == 4
    assert "started again" in result.notes[0] and "frame 2" in result.notes[0]
    assert max(error.mean for error in result.errors) < 0.01


def test_with_too_many_templates_it_becomes_a_flip_book(growing: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("a124core.export.mesh.register.MAX_SEGMENTS", 1)
    result = build(growing, MeshOptions(frames=3, resolution=24, faces=400), tracked=True)
    assert len(result.sequence.segments) == 3 and "flip-book" in result.notes[0]
    assert max(error.mean for error in result.errors) < 0.01


def test_a_field_that_never_moves_is_one_mesh(solid: type, sphere_at: Callable) -> None:
    still = solid(lambda xyz, time: sphere_at(xyz))
    result = build(still, MeshOptions(frames=5, resolution=24, faces=500), tracked=True)
    assert result.sequence.n_frames == 1 and "is static" in result.notes[0]


def test_a_finger_that_moves_is_motion(solid: type, sphere_at: Callable) -> None:
    """Far less than a hundredth of the surface: a mean would not notice."""

    def shape(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        tip = xyz - torch.stack((0 * time, 0.45 + 0.06 * time, 0 * time), 1)
        return torch.minimum(sphere_at(xyz), ((tip / torch.tensor([0.05, 0.25, 0.05])).norm(dim=1) - 1.0) * 0.05)

    result = build(solid(shape), MeshOptions(frames=2, resolution=40, faces=1500), tracked=False)
    assert not result.notes, "it does move"
    before, after = (segment.vertices[0, :, 1].max() for segment in result.sequence.segments)
    assert after > before + 0.03


@pytest.mark.parametrize("tracked", [True, False])
def test_a_still_body_that_changes_its_colour_is_no_still(sphere_at: Callable, tracked: bool) -> None:
    def blushing(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        colour = torch.stack((0.2 + 0.6 * time, 0.2 + 0 * time, 0.3 + 0 * time), 1)
        return 200.0 * torch.sigmoid(-sphere_at(xyz) / 0.002), colour

    options = MeshOptions(frames=3, resolution=24, faces=400)
    result = build(FunctionField(blushing, EVERYWHERE), options, tracked=tracked)
    assert result.sequence.n_frames == 3 and ("a flip-book shows them" in " ".join(result.notes)) == tracked
    if not tracked:
        assert [s.colours[:, 0].mean() for s in result.sequence.segments] == pytest.approx([0.2, 0.5, 0.8], abs=0.01)


def test_the_end_of_a_loop_is_left_out(solid: type, swinging: object) -> None:
    looped = solid(swinging.shape, swinging.turn, loop=True)
    result = build(looped, MeshOptions(frames=4, resolution=24, faces=500), tracked=False)
    assert result.times.tolist() == [0.0, 0.25, 0.5, 0.75] and result.sequence.loop


def test_an_object_that_is_gone_is_refused_with_its_time(solid: type, sphere_at: Callable) -> None:
    gone = solid(lambda xyz, time: sphere_at(xyz, radius=0.3) + torch.where(time > 0.6, 9.0, 0.0))
    with pytest.raises(ValueError, match="no faces are left at time 1.00"):
        build(gone, MeshOptions(frames=3, resolution=24, faces=500), tracked=True)


def test_progress_is_reported_within_every_long_step(
    swinging: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each report can cancel: while locating the object, in a surface, in registering one frame, in the errors; what
    follows the last frame is counted as well."""
    monkeypatch.setattr("a124core.export.mesh.surface.POINTS_PER_SLAB", 4000)
    reports: list[tuple[int, int, str]] = []
    few = MeshOptions(frames=3, resolution=24, faces=500)
    build(swinging, few, tracked=True, on_progress=lambda *step: reports.append(step))
    steps = [done for done, _, _ in reports]
    assert steps == sorted(steps) and steps[-1] == 13 and {total for _, total, _ in reports} == {13}
    after = dict.fromkeys((done, text.split(",")[0]) for done, _, text in reports if done > 8)
    assert list(after) == [*((k, "comparing with the scene") for k in range(9, 13)), (13, "writing the file")]
    assert steps.count(0) > 3 + 3, "each time of the survey, and the slabs of the first surface"
    assert steps.count(3) > len(STIFFNESS), "the rounds in which a frame is registered"


@pytest.mark.parametrize(("tracked", "size"), [(True, r"5\d\d kB"), (False, "1 MB")])
def test_the_size_is_reported_from_the_first_surface_on_and_the_work_can_be_cancelled(
    swinging: object, tracked: bool, size: str
) -> None:
    texts: list[str] = []

    def cancel(done: int, total: int, text: str) -> None:
        texts.append(text)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(swinging, MeshOptions(frames=2, resolution=24, faces=500, texture=512), tracked, cancel)
    assert texts[0] == "locating the object" and re.fullmatch(f"surface, about {size} as a GLB", texts[-1])


def test_intermediate_times_without_a_surface_are_skipped(solid: type, sphere_at: Callable) -> None:
    """A ball that flies so far that smaller steps are tried, and is gone in the middle of its flight."""

    def shape(xyz: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        at = xyz - torch.stack((0.8 * time - 0.4, 0 * time, 0 * time), 1)
        return sphere_at(at, radius=0.3) + torch.where((time - 0.5).abs() < 0.1, 9.0, 0.0)

    result = build(solid(shape), MeshOptions(frames=2, resolution=24, faces=500), tracked=True)
    assert result.sequence.n_frames == 2 and max(error.mean for error in result.errors) < 0.02
