"""Points on the surfaces of meshes and Gaussians: as dense as asked for, on both sides where both are seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree

from a124core.models3d.gaussians import make_gaussians
from a124core.models3d.mesh import MeshModel
from a124core.models3d.read import read_model
from a124core.models3d.sample_gaussians import gaussian_points, visible_gaussians
from a124core.models3d.sample_mesh import both_sides, mesh_points, shows_backs
from tests.core.models3d.animals import animal_gaussians, striped_animal
from tests.core.models3d.scenes import textured_square, write_gaussians


def as_model(mesh: trimesh.Trimesh) -> MeshModel:
    vertices = torch.tensor(mesh.vertices, dtype=torch.float32)
    return MeshModel(vertices, torch.tensor(mesh.faces), vertices.clamp(0, 1))


@pytest.mark.parametrize("detail", [1, 5])  # faces larger and smaller than the spacing
def test_a_ball_is_covered_without_gaps_however_its_faces_are(detail: int) -> None:
    spacing, ball = 0.03, trimesh.creation.icosphere(detail, 0.5)
    made = mesh_points(as_model(ball), spacing)
    assert len(made.points) < 3 * ball.area / spacing**2
    anywhere = trimesh.sample.sample_surface(ball, 4000, seed=0)[0]
    assert cKDTree(made.points.numpy()).query(anywhere)[0].max() < 1.3 * spacing
    outward = torch.nn.functional.normalize(made.points, dim=1)
    assert (made.normals * outward).sum(1).min() > 0.8


def test_a_rod_thinner_than_the_spacing_keeps_its_points() -> None:
    rod = trimesh.creation.box((0.8, 0.002, 0.002))
    made = mesh_points(as_model(rod), 0.05).points
    along = made[:, 0].sort()[0]
    assert along.diff().max() < 0.06 and along[0] < -0.36 and along[-1] > 0.36


def test_colours_are_those_of_the_texture(tmp_path: Path) -> None:
    (tmp_path / "square.glb").write_bytes(textured_square({}))
    model = read_model(tmp_path / "square.glb").frames[0]
    made = mesh_points(model, 0.02)
    x, y, _ = made.points.T
    is_inner = made.points.abs().amax(1) < 0.484  # nearer to its edge a texture is mixed with its other side
    for inside, colour in (((x < -0.1) & (y > 0.1), (1, 0, 0)), ((x > 0.1) & (y > 0.1), (0, 1, 0)),
                           ((x < -0.1) & (y < -0.1), (0, 0, 1)), ((x > 0.1) & (y < -0.1), (0, 0, 0))):
        inside = inside & is_inner
        assert inside.sum() > 100 and (made.colours[inside] - torch.tensor(colour)).abs().max() < 0.02


def test_open_and_inverted_meshes_have_two_sides_and_closed_ones_have_one() -> None:
    ball = trimesh.creation.icosphere(3, 0.5)
    inverted, sheet = ball.copy(), trimesh.creation.box((0.5, 0.5, 0.5))
    inverted.invert()
    sheet.update_faces(sheet.face_normals[:, 2] > 0.5)
    assert [shows_backs(as_model(mesh)) for mesh in (ball, inverted, sheet)] == [False, True, True]
    both = both_sides(mesh_points(as_model(sheet), 0.05))
    assert both.normals[:, 2].round().unique().tolist() == [-1.0, 1.0]


def test_the_surface_of_gaussians_faces_outward_and_has_no_floaters(tmp_path: Path) -> None:
    write_gaussians(tmp_path / "animal.ply", animal_gaussians())
    model = read_model(tmp_path / "animal.ply").frames[0]
    made = gaussian_points(visible_gaussians(model), 0.015)
    mesh = striped_animal()
    low, high = mesh.bounds
    mesh.apply_translation(-(low + high) / 2)
    mesh.apply_scale(1 / (high - low).max())
    surface, faces = trimesh.sample.sample_surface(mesh, 40000, seed=1)
    gap, nearest = cKDTree(surface).query(made.points.numpy())
    assert np.quantile(gap, 0.99) < 0.02 and gap.max() < 0.1  # the floater is 0.2 away
    facing = (made.normals.numpy() * mesh.face_normals[faces][nearest]).sum(1)
    assert (facing > 0.5).mean() > 0.9


def test_a_sheet_of_gaussians_is_seen_from_both_sides_and_mist_is_refused() -> None:
    line = torch.linspace(-0.5, 0.5, 40)
    means = torch.cat((torch.cartesian_prod(line, line), torch.zeros(1600, 1)), 1)
    scales = torch.tensor([0.02, 0.02, 0.001]).expand(1600, 3)
    turns = torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(1600, 4)
    seen = visible_gaussians(make_gaussians(means, scales, turns, torch.full((1600, 4), 0.9)))
    z = gaussian_points(seen, 0.03).normals[:, 2]
    assert (z > 0.9).sum() > 300 and (z < -0.9).sum() > 300
    with pytest.raises(ValueError, match="so transparent that no surface is seen: export"):
        visible_gaussians(make_gaussians(means[::200], scales[::200], turns[::200], torch.full((8, 4), 0.05)))
