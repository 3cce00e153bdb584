"""Images of cameras with any pose, turned to what a camera at the same place that looks at the origin sees."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.centred import at_rest, centre_cameras, square_pinholes, turn_image
from a124core.cameras.homography import turning_homographies
from a124core.cameras.keyframes import pinholes_from_matrices
from a124core.cameras.parse_camera import parse_camera
from a124core.cameras.rig import make_cameras, reference_camera, to_pinholes
from a124core.models3d.mesh import MeshModel
from a124core.protocols import Pinholes
from a124core.reference.layers import pad_to_square

REFERENCE = reference_camera()


def coloured_boxes() -> MeshModel:
    import trimesh

    boxes = [trimesh.creation.box((0.3, 0.4, 0.3)).apply_translation((x, y, 0.1 * x)) for x, y in
             ((0.0, 0.0), (0.3, 0.2), (-0.2, -0.3))]
    mesh = trimesh.util.concatenate(boxes)
    colours = torch.rand(len(mesh.vertices), 3, generator=torch.Generator().manual_seed(0))
    return MeshModel(torch.tensor(mesh.vertices, dtype=torch.float32), torch.tensor(mesh.faces), colours)


def pinholes(*keys: dict) -> Pinholes:
    matrices, fovy = zip(*map(parse_camera, keys), strict=True)
    return pinholes_from_matrices(matrices, fovy)


def rolled(position: tuple[float, ...], target: tuple[float, ...], degrees: float) -> Pinholes:
    """A camera that looks aside and is held askew."""
    camera = pinholes({"position": position, "target": target, "fov": 50})
    a = torch.deg2rad(torch.tensor(degrees))
    roll = torch.eye(4)
    roll[0, 0], roll[0, 1], roll[1, 0], roll[1, 1] = a.cos(), -a.sin(), a.sin(), a.cos()
    return Pinholes(camera.c2w @ roll, camera.fovy, camera.centre)


@pytest.mark.parametrize(
    ("shape", "error", "iou"), [((128, 128), 0.0053, 0.973), ((96, 128), 0.0079, 0.959), ((128, 96), 0.0053, 0.973)]
)
def test_a_turned_image_is_what_the_centred_camera_sees(shape: tuple[int, int], error: float, iou: float) -> None:
    model, camera = coloured_boxes(), rolled((0.9, 0.7, 1.5), (0.15, -0.1, 0.0), 20.0)
    square = square_pinholes(camera, shape)
    centred = centre_cameras(square, REFERENCE)
    filmed = pad_to_square(model.layers(camera, shape)[:, :4])
    turned = turn_image(filmed, turning_homographies(square, centred)[0])
    seen = model.layers(centred, tuple(filmed.shape[-2:]))[:, :4]
    assert (filmed - seen).abs().mean() > 0.02, "the image had to be turned"
    assert (turned - seen).abs().mean() < error, "but for the sampling of edges, which fewer pixels make coarser"
    overlap = torch.minimum(turned[:, 3], seen[:, 3]).sum() / torch.maximum(turned[:, 3], seen[:, 3]).sum()
    assert overlap > iou


def test_a_camera_that_looks_at_the_origin_stays_and_its_image_too() -> None:
    cameras = make_cameras([0.0, 20.0, -30.0], [0.0, 130.0, -90.0], 1.8)
    centred = centre_cameras(to_pinholes(cameras), REFERENCE)
    for name, values in vars(cameras).items():
        torch.testing.assert_close(getattr(centred, name), values, atol=1e-3, rtol=0)
    image = torch.rand(1, 4, 16, 16)
    assert all(turn_image(image, h) is image for h in turning_homographies(to_pinholes(cameras), centred))


def test_a_wide_camera_is_cropped_to_the_frame_of_the_reference() -> None:
    far = centre_cameras(pinholes({"position": (0, 0, 6), "fov": 60}), REFERENCE)
    assert float(far.fovy) == pytest.approx(2 * float(torch.rad2deg(torch.atan(
        1.8 * torch.tan(torch.deg2rad(torch.tensor(20.0))) / 6))), abs=1e-3)
    near = centre_cameras(pinholes({"position": (0, 0, 1.8), "fov": 25}), REFERENCE)
    assert float(near.fovy) == pytest.approx(25.0)


def test_cameras_that_are_the_same_are_one_at_rest() -> None:
    still, moving = (to_pinholes(make_cameras(0.0, azimuth)) for azimuth in ([9.0] * 5, [0.0, 9.0]))
    assert len(at_rest(still)) == 1 and at_rest(moving) is moving


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ({"position": (0, 0, 2), "target": (0, 0, 4)}, "does not see the middle of the scene"),
        ({"position": (0, 0, 2), "target": (3, 0, 0)}, "does not see the middle of the scene"),
        ({"position": (0, 0, 1e-4), "target": (0, 0, -1)}, "stands in the middle of the scene"),
    ],
)
def test_cameras_that_show_nothing_of_the_scene_are_refused(key: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        centre_cameras(pinholes(key), REFERENCE)


def test_a_shifted_lens_decides_what_a_camera_sees() -> None:
    def shifted(target: float) -> Pinholes:
        camera = pinholes({"position": (0, 0, 2), "target": (target, 0, 0), "fov": 50})
        return Pinholes(camera.c2w, camera.fovy, torch.tensor([[[-0.4, 0.0]]]))

    assert float(centre_cameras(shifted(-1.2), REFERENCE).azimuth) == pytest.approx(0.0, abs=1e-3)
    with pytest.raises(ValueError, match="does not see the middle of the scene"):
        centre_cameras(shifted(0.9), REFERENCE)
