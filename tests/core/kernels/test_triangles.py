"""The nearest triangle of each pixel, against rays met with a ball, a cube and a floor in closed form."""

from __future__ import annotations

import torch
import trimesh
from torch import Tensor

from a124core.cameras.rig import focal_length, make_cameras, pixel_rays, to_pinholes
from a124core.kernels import nearest_faces
from a124core.kernels.torch_impl import ops as torch_ops
from a124core.models3d.mesh import MeshModel
from a124core.protocols import Cameras

SIZE = (48, 64)


def lens_of(cameras: Cameras, height: int) -> tuple[Tensor, Tensor]:
    pinholes = to_pinholes(cameras)
    focal = focal_length(pinholes.fovy, height)
    return pinholes.c2w[:, 0], torch.stack((focal, torch.zeros_like(focal), torch.zeros_like(focal)), 1)


def mesh_of(solid: trimesh.Trimesh) -> tuple[Tensor, Tensor]:
    return torch.tensor(solid.vertices, dtype=torch.float32), torch.tensor(solid.faces)


def test_a_cube_is_hit_where_rays_meet_its_box() -> None:
    """Slab test of each pixel's ray; the face names the side, so the nearest of both is drawn."""
    vertices, faces = mesh_of(trimesh.creation.box((0.8, 0.6, 1.0)))
    cameras = make_cameras([10.0, -35.0], [20.0, 130.0])
    face = nearest_faces(vertices, faces, *lens_of(cameras, SIZE[0]), SIZE)
    origins, directions = pixel_rays(cameras, SIZE)
    half = torch.tensor([0.4, 0.3, 0.5])
    a, b = (-half - origins) / directions, (half - origins) / directions
    enters, axis = torch.minimum(a, b).max(2)
    hit = enters < torch.maximum(a, b).amin(2)
    hit, axis = hit.view(face.shape), axis.view(face.shape)
    assert 0.05 < hit.float().mean() < 0.5
    assert ((face >= 0) != hit).sum() <= 4  # pixels whose centre lies within 1/512 pixel of an edge
    both = hit & (face >= 0)
    corners = vertices[faces[face[both]]]
    normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normal.abs().argmax(1) == axis[both]).float().mean() > 0.99
    eye = origins.view(*face.shape, 3)[both]
    assert ((normal * (eye - corners[:, 0])).sum(1) > 0).float().mean() > 0.995


def test_depth_and_silhouette_of_a_ball() -> None:
    ball = trimesh.creation.icosphere(5, 0.5)
    vertices, faces = mesh_of(ball)
    model = MeshModel(vertices, faces, torch.full_like(vertices, 0.25))
    camera = make_cameras(30.0, 40.0)
    layers = model.layers(camera, (64, 64))[0]
    origins, directions = pixel_rays(camera, (64, 64))
    o, d = origins[0], directions[0]
    half, square = (o * d).sum(1), d.square().sum(1)
    root = half.square() - square * (o.square().sum(1) - 0.25)
    depth, hit = ((-half - root.clamp_min(0).sqrt()) / square).view(64, 64), (root > 0).view(64, 64)
    alpha = layers[3]
    assert abs(float(alpha.mean() - hit.float().mean())) < 2e-3
    full = (alpha == 1) & (root.view(64, 64) > 0.05)
    assert full.sum() > 500
    assert ((layers[4] / alpha)[full] - depth[full]).abs().max() < 3e-3
    assert (layers[:3, full] - 0.25).abs().max() < 1e-6


def test_a_floor_under_the_camera_is_cut_before_it() -> None:
    """Two triangles that reach far behind the camera cover exactly the pixels below the horizon."""
    far = 50.0
    vertices = torch.tensor([[-far, -0.3, -far], [far, -0.3, -far], [far, -0.3, far], [-far, -0.3, far]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    face = nearest_faces(vertices, faces, *lens_of(make_cameras(0.0, 0.0), SIZE[0]), SIZE)[0]
    directions = pixel_rays(make_cameras(0.0, 0.0), SIZE)[1].view(*SIZE, 3)
    expected = (directions[..., 1] < 0) & (-0.3 / directions[..., 1] < far + 1.8)
    assert torch.equal(face >= 0, expected)


def test_shared_edges_leave_no_gap() -> None:
    """A square of 200 random triangles, which share their edges, has no hole."""
    rng = torch.Generator().manual_seed(0)
    points = torch.rand(110, 2, generator=rng) - 0.5
    points = torch.cat((points, torch.tensor([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])))
    from scipy.spatial import Delaunay

    vertices = torch.cat((points, torch.zeros(len(points), 1)), 1)
    faces = torch.tensor(Delaunay(points.numpy()).simplices).long()
    face = nearest_faces(vertices, faces, *lens_of(make_cameras(0.0, 0.0), 64), (64, 64))[0]
    x, y = pixel_rays(make_cameras(0.0, 0.0), (64, 64))[1][0, :, :2].T * 1.8
    inside = (x.abs().maximum(y.abs()) < 0.4999).view(64, 64)
    assert (face >= 0)[inside].all() and inside.sum() > 500


def test_nothing_in_view_and_degenerate_triangles() -> None:
    vertices = torch.tensor([[0.0, 0.0, 5.0], [0.1, 0.0, 5.0], [0.0, 0.1, 5.0], [0.0, 0.0, 0.0]])
    faces = torch.tensor([[0, 1, 2], [3, 3, 3]])  # behind the camera; a point
    for ops in (torch_ops, None):
        draw = nearest_faces if ops is None else ops.nearest_faces
        for chosen in (faces, faces[:0]):
            face = draw(vertices, chosen, *lens_of(make_cameras([0.0, 90.0], 0.0), 8), (8, 8))
            assert face.shape == (2, 8, 8)
    assert (draw(vertices, faces, *lens_of(make_cameras(0.0, 0.0), 8), (8, 8)) == -1).all()
