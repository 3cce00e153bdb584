"""Points of surfaces: what is visible of the truth, what files hold, what follows a field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh

from a124core.evaluation import surfaces
from a124core.evaluation.animated_glb import read_animated_glb
from a124core.evaluation.chamfer import moving_distances
from a124core.evaluation.surfaces import field_surface, read_surface, sphere_directions, truth_surface, visible_points
from a124core.export.mesh.gltf import gltf, write_glb
from a124core.export.mesh.mesh import MeshSequence, Segment
from a124core.export.mesh.options import MeshOptions
from a124core.priors.builtin.appearance import Appearance, get_subject
from a124core.priors.builtin.bank import GroundTruth


def write_sequence(folder: Path, shifts: list[float]) -> Path:
    folder.mkdir()
    for k, shift in enumerate(shifts):
        ball = trimesh.creation.icosphere(2, radius=0.4)
        ball.apply_translation((shift, 0, 0))
        ball.export(folder / f"mesh_{k:02}.ply")
    return folder


def test_directions_are_spread_over_the_sphere() -> None:
    directions = sphere_directions(64)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1.0) and np.abs(directions.mean(0)).max() < 0.05


def test_what_lies_inside_is_not_visible() -> None:
    shell = sphere_directions(3000)
    inner = 0.5 * sphere_directions(800)
    points, normals = np.concatenate((0.3 * shell, 0.3 * inner)), np.concatenate((shell, 2 * inner))
    visible = visible_points(points, normals, spacing=0.02)
    assert visible[:3000].mean() > 0.98 and visible[3000:].mean() < 0.02


def test_the_truth_lies_where_it_is_rendered_and_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surfaces, "SPACING", 0.03)
    truth = GroundTruth(Appearance(get_subject("snowman"), "reference", "jump"), 0.0)
    points = truth_surface(truth, np.array([0.0, 0.5]))
    assert points.shape[0] == 2 and points.shape[2] == 3 and 200 < points.shape[1] <= surfaces.POINTS
    path = truth.path(torch.tensor([0.0, 0.5])).numpy()
    assert np.allclose(points.mean(1)[1] - points.mean(1)[0], path[1] - path[0], atol=0.02)
    turned = truth_surface(GroundTruth(truth.appearance, 90.0), np.array([0.0]))
    assert np.allclose(turned[0][:, 0], points[0][:, 2], atol=1e-5)  # its front, +z, points along +x


def test_files_of_the_same_faces_are_tracked(tmp_path: Path) -> None:
    surface = read_surface(write_sequence(tmp_path / "a", [0.0, 0.1, 0.3]))
    assert surface.note == "" and surface.tracked.shape == (3, surfaces.POINTS, 3)
    assert np.allclose(surface.tracked[2] - surface.tracked[0], (0.3, 0, 0), atol=1e-5)
    assert np.abs(np.linalg.norm(surface.frames[0], axis=1) - 0.4).max() < 0.03
    still = read_surface(write_sequence(tmp_path / "b", [0.0, 0.0, 0.0]), 3)
    distances = moving_distances(still.frames, still.tracked, surface.truth("a"), aligned=False)
    assert distances["cd_m"] == pytest.approx(2 * (0.0 + 0.1 + 0.3) / 3, abs=0.02)  # its own motion, both ways


def test_bad_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no meshes: give an animated GLB of this program, or a folder"):
        read_surface(tmp_path)
    folder = write_sequence(tmp_path / "a", [0.0, 0.1])
    with pytest.raises(ValueError, match="holds 2 meshes, and 5 are needed"):
        read_surface(folder, 5)
    trimesh.creation.box().export(folder / "mesh_02.ply")
    mixed = read_surface(folder)
    assert mixed.tracked is None and "CD-M has no value" in mixed.note
    with pytest.raises(ValueError, match="other faces in each frame"):
        mixed.truth("the known surface")


@pytest.mark.parametrize("quantise", [False, True])
def test_an_exported_animation_is_read_back(tmp_path: Path, quantise: bool) -> None:
    ball = trimesh.creation.icosphere(2, radius=0.4)
    steps = np.array([[0.0, 0, 0], [0.1, 0, 0], [0.1, 0.3, 0]])
    written = (ball.vertices + steps[:, None]).astype(np.float32)
    segment = Segment(0, written, ball.faces.astype(np.int32), np.full(ball.vertices.shape, 0.5, np.float32))
    write_glb(tmp_path / "a.glb", *gltf(MeshSequence([segment], 8.0, False), [None], quantise))
    vertices, faces = read_animated_glb(tmp_path / "a.glb")
    assert np.allclose(vertices, written, atol=1e-4 if quantise else 1e-6) and np.array_equal(faces, ball.faces)
    surface = read_surface(tmp_path / "a.glb", 3)
    assert surface.tracked.shape == (3, surfaces.POINTS, 3)
    with pytest.raises(ValueError, match="holds 3 meshes, and 5 are needed"):
        read_surface(tmp_path / "a.glb", 5)


def test_an_animation_in_pieces_or_cut_off_is_refused(tmp_path: Path) -> None:
    box = trimesh.creation.box()
    colours = np.full(box.vertices.shape, 0.5, np.float32)
    pieces = [Segment(k, box.vertices[None].astype(np.float32), box.faces.astype(np.int32), colours) for k in (0, 1)]
    write_glb(tmp_path / "a.glb", *gltf(MeshSequence(pieces, 8.0, False), [None, None], False))
    with pytest.raises(ValueError, match="holds 2 pieces, whose points do not go on"):
        read_surface(tmp_path / "a.glb")
    (tmp_path / "b.glb").write_bytes((tmp_path / "a.glb").read_bytes()[:-600])
    with pytest.raises(ValueError) as error:
        read_surface(tmp_path / "b.glb")
    assert "\n" not in str(error.value) and str(error.value).endswith(".")


def test_another_programs_animation_is_refused(tmp_path: Path) -> None:
    trimesh.creation.box().export(tmp_path / "box.glb")
    with pytest.raises(ValueError, match="was not written by this program"):
        read_surface(tmp_path / "box.glb")


def test_the_mesh_of_a_field_lies_on_its_surface(balls: object) -> None:
    surface, times = field_surface(balls, MeshOptions(2, resolution=24, faces=800))
    assert times.tolist() == [0.0, 1.0] and len(surface.frames) == 2
    for time, points in zip(times, surface.frames, strict=True):
        centres = balls.centres(torch.tensor([time]).float())[0].numpy()
        gaps = np.abs(np.linalg.norm(points[:, None] - centres, axis=-1) - np.array([0.25, 0.2])).min(1)
        assert gaps.mean() < 0.02
