"""Posed pictures: any pose becomes a camera that looks at the origin, and the picture is what it would have taken."""

from __future__ import annotations

import math

import pytest
import torch

from a124core.cameras.keyframes import path_of_cameras
from a124core.cameras.rig import make_cameras, pixel_rays, reference_camera, to_pinholes
from a124core.models3d.align import Placement, place
from a124core.models3d.align_images import align_images
from a124core.models3d.mesh import MeshModel
from a124core.models3d.posed import PosedImages, centred
from a124core.protocols import Pinholes
from a124core.reference.reference import make_reference


def figure() -> MeshModel:
    """An L of two boxes, red and blue, that looks different from every side."""
    import trimesh

    boxes = [trimesh.creation.box((0.25, 0.9, 0.3)), trimesh.creation.box((0.5, 0.25, 0.3))]
    boxes[1].apply_translation((0.3, -0.3, 0.0))
    vertices = torch.cat([torch.tensor(box.vertices, dtype=torch.float32) for box in boxes])
    faces = torch.cat([torch.tensor(box.faces) + 8 * k for k, box in enumerate(boxes)])
    colours = torch.tensor([[0.9, 0.1, 0.1], [0.1, 0.2, 0.9]]).repeat_interleave(8, 0)
    return MeshModel(vertices, faces, colours)


def aside(target: tuple[float, float, float], fov: float) -> Pinholes:
    """Three cameras around the origin that look past it, one of them rolled."""
    places = ((0.0, 1.8), (1.5, 1.0), (-1.6, 0.9))
    listed = [{"position": [x, 0.4, z], "target": list(target), "fov": fov} for x, z in places]
    pinholes = path_of_cameras(listed)(3)[0]
    roll = torch.tensor([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    pinholes.c2w[1, 0, :3, :3] = pinholes.c2w[1, 0, :3, :3] @ roll
    return pinholes


@pytest.mark.parametrize(("fov", "height"), [(60, 240), (120, 480)])
def test_a_picture_taken_aside_shows_what_a_centred_camera_sees(fov: float, height: int) -> None:
    model, pinholes = figure(), aside((0.15, 0.1, 0.0), fov)
    posed = PosedImages(model.layers(pinholes, (height, height * 4 // 3))[:, :4], pinholes)
    cameras = posed.upright(reference_camera())
    expected = model.layers(cameras, (64, 64))[:, :4]
    difference = (posed.resampled(cameras, 64) - expected).abs()
    assert difference.mean() < 0.007 and (difference.amax(1) > 0.5).float().mean() < 4.7e-3, "but for edges' sampling"
    assert expected[:, 3].mean() > 0.1


@pytest.mark.parametrize("aspect", [1.0, 1.5])
def test_what_lies_outside_of_a_picture_is_empty(aspect: float) -> None:
    """A picture that its subject fills: turned, it covers what its frame covers, and nothing beside or behind."""
    keys = [{"position": [0, 0, 1.8], "target": [x, 0, 0], "fov": 30} for x in (0.3, 30.0)]
    pinholes = path_of_cameras([*keys, {"position": [0, 0, 1.8], "target": [0, 0, 5.0], "fov": 30}]).keys
    posed = PosedImages(torch.ones(3, 4, 64, round(64 * aspect)), pinholes)
    cameras = posed.upright(reference_camera())
    covered = posed.resampled(cameras, 64)
    origins, directions = pixel_rays(cameras, (64, 64))
    for k in range(3):
        right, up, back = (directions[k] @ pinholes.c2w[k, 0, :3, :3]).view(64, 64, 3).unbind(-1)
        half = math.tan(math.radians(15.0))
        beyond = torch.maximum((right / back).abs() / aspect, (up / back).abs()) - half  # in the picture's plane
        inside = (back < 0) & (beyond < -0.03)
        outside = (back >= 0) | (beyond > 0.03)
        assert (covered[k, :, outside] == 0).all() and (covered[k, :, inside] == 1).all()
        assert outside.any() and bool(inside.any()) == (k == 0)


def test_the_point_that_all_cameras_look_at_becomes_the_middle() -> None:
    cameras = to_pinholes(make_cameras([0.0, 20.0, -10.0], [0.0, 100.0, 200.0], 3.0))
    posed = PosedImages(torch.zeros(3, 4, 8, 8), cameras)
    moved = posed.transformed(2.0 * torch.eye(3), torch.tensor([3.0, -1.0, 0.5]))
    assert torch.allclose(moved.middle, torch.tensor([3.0, -1.0, 0.5]), atol=1e-4)
    radius = centred(moved).upright(reference_camera()).radius
    assert radius.tolist() == pytest.approx([6.0] * 3, abs=1e-3)


def test_pictures_are_aligned_to_the_reference_image() -> None:
    """An orbit in another unit, begun from another side: the reference image is its third picture."""
    model, camera = figure(), reference_camera()
    front = model.layers(camera, (96, 96))
    reference = make_reference(front[:, :3] + 1.0 - front[:, 3:4], front[:, 3:4])
    orbit = make_cameras(0.0, [60.0 * k - 120.0 for k in range(6)], 1.8)
    posed = PosedImages(model.layers(orbit, (96, 96))[:, :4], to_pinholes(orbit))
    elsewhere = place(posed, Placement(azimuth=75.0, scale=2.5), camera)
    alignment = align_images(elsewhere, reference)
    assert alignment.overlap > 0.95 and alignment.colour_error < 0.05
    turned = place(elsewhere, alignment.placement, camera).upright(camera)
    turn = (turned.azimuth - orbit.azimuth + 180.0) % 360.0 - 180.0
    assert turn.abs().max() < 1.0
    assert turned.radius.tolist() == pytest.approx([1.8] * 6, abs=0.05)


def test_a_camera_inside_of_the_subject_is_refused() -> None:
    cameras = to_pinholes(make_cameras(0.0, [0.0, 90.0], 0.1))
    with pytest.raises(ValueError, match="stands inside of the subject"):
        PosedImages(torch.zeros(2, 4, 8, 8), cameras).upright(reference_camera())


def test_a_far_telephoto_picture_is_reduced_to_a_pixel_at_least() -> None:
    camera = to_pinholes(make_cameras(0.0, [0.0], 2.0, 0.5))
    posed = PosedImages(torch.ones(1, 4, 64, 64), camera)
    resampled = posed.resampled(posed.upright(reference_camera()), 16)
    assert resampled.shape == (1, 4, 16, 16) and bool(resampled.isfinite().all())
