"""A model that follows a clip of itself: known motions, seen from the front alone, move the back as well."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import reference_camera
from a124core.models3d.clip_motion import SIDE, flow_at
from a124core.models3d.follow import _graph, follow_clip
from a124core.models3d.gaussians import make_gaussians
from a124core.models3d.mesh import MeshModel
from a124core.priors.builtin import example_image, make_priors
from a124core.reference.reference import make_reference

FRAMES = 5


def patched_ball() -> MeshModel:
    """Return a ball whose colours differ from place to place."""
    import trimesh

    ball = trimesh.creation.icosphere(4, 0.35)
    vertices = torch.from_numpy(ball.vertices).float() * torch.tensor([1.0, 1.3, 0.8])
    colours = 0.5 + 0.45 * (4.0 * torch.sin(vertices * 17.0).prod(1, keepdim=True)).tanh().expand(-1, 3)
    return MeshModel(vertices, torch.from_numpy(ball.faces).long(), colours)


def turned(share: float) -> Tensor:
    """Return a rotation in the image of the reference camera."""
    angle = math.radians(20.0) * share
    c, s = math.cos(angle), math.sin(angle)
    return torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


MOTIONS = {
    "moves aside": lambda share: (torch.eye(3), torch.tensor([0.2, 0.1, 0.0]) * share),
    "turns": lambda share: (turned(share), torch.zeros(3)),
    "stands still": lambda share: (torch.eye(3), torch.zeros(3)),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_all_sides_move_with_the_front(motion: str) -> None:
    model, camera = patched_ball(), reference_camera()
    truth = [model.transformed(*MOTIONS[motion](k / (FRAMES - 1))) for k in range(FRAMES)]
    layers = torch.cat([frame.layers(camera, (160, 160)) for frame in truth])[:, :4]
    followed = follow_clip(model, layers, camera)
    assert len(followed) == FRAMES and followed[0] is model and followed[-1].faces is model.faces
    for frame, expected in zip(followed, truth, strict=True):
        error = (frame.vertices - expected.vertices).norm(dim=1)
        assert float(error.mean()) < 0.03 and float(error.max()) < 0.06, motion


def test_a_thin_part_that_leans_further_than_its_body_comes_along_and_back() -> None:
    image, mask = example_image("robot")  # with an antenna
    reference = make_reference(image, mask, mask_marks="subject")
    truth = make_priors(reference, "a robot sways", subject="robot", image_size=64).truth
    image, mask = truth.render(reference.camera[torch.zeros(9, dtype=torch.long)], torch.linspace(0.0, 0.5, 9), 128)
    layers = torch.cat((image - (1.0 - mask), mask), 1)
    surfels = truth.appearance.subject.surfels(0.009)
    size = torch.tensor([0.0054, 0.0054, 0.0005]).expand(len(surfels.points), 3)
    turn = torch.stack((1.0 + surfels.normals[:, 2], -surfels.normals[:, 1], surfels.normals[:, 0], 0 * size[:, 0]), 1)
    turn[turn.norm(dim=1) < 1e-6] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    opaque = torch.cat((surfels.colours.clamp(0.0, 1.0), torch.full((len(turn), 1), 0.95)), 1)
    model = make_gaussians(surfels.points - 0.009 * surfels.normals, size, turn, opaque)
    followed = follow_clip(model, layers, reference.camera)
    for k, wanted in ((4, 26.0), (8, 30.0)):  # at the end of its path, and back
        drawn = followed[k].layers(reference.camera, (128, 128))[0, :4]
        assert float(-10.0 * (drawn - layers[k]).square().mean().log10()) > wanted, k


def test_gaussians_follow_with_their_axes() -> None:
    mesh, camera = patched_ball(), reference_camera()
    count = len(mesh.vertices)
    scales = torch.tensor([0.03, 0.03, 0.005]).expand(count, 3)
    model = make_gaussians(mesh.vertices, scales, torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4),
                           torch.cat((mesh.colours, torch.full((count, 1), 0.95)), 1))
    truth = [model.transformed(*MOTIONS["turns"](k / (FRAMES - 1))) for k in range(FRAMES)]
    layers = torch.cat([frame.layers(camera, (160, 160)) for frame in truth])[:, :4]
    last = follow_clip(model, layers, camera)[-1]
    assert float((last.means - truth[-1].means).norm(dim=1).mean()) < 0.03
    assert float((last.covariances - truth[-1].covariances).norm(dim=(1, 2)).mean()) < 2e-4


def test_a_part_that_is_not_filmed_goes_with_the_rest() -> None:
    ball, camera = patched_ball(), reference_camera()
    behind = ball.vertices * 0.5 - torch.tensor([0.0, 0.0, 0.8])
    faces = torch.cat((ball.faces, ball.faces + len(ball.vertices)))
    model = MeshModel(torch.cat((ball.vertices, behind)), faces, ball.colours.repeat(2, 1))
    truth = [model.transformed(*MOTIONS["moves aside"](share)) for share in (0.0, 0.5)]
    layers = torch.cat([frame.layers(camera, (160, 160)) for frame in truth])[:, :4]
    error = (follow_clip(model, layers, camera)[-1].vertices - truth[-1].vertices).norm(dim=1)
    assert float(error.mean()) < 0.03 and float(error.max()) < 0.06


def test_a_subject_that_leaves_the_image_leaves_finite_frames() -> None:
    model, camera = patched_ball(), reference_camera()
    layers = torch.cat((model.layers(camera, (64, 64))[:, :4], torch.zeros(1, 4, 64, 64)))
    last = follow_clip(model, layers, camera)[-1]
    assert last.vertices.isfinite().all() and float((last.vertices - model.vertices).norm(dim=1).max()) < 1.0


def test_a_model_of_which_nothing_is_opaque_is_refused() -> None:
    mesh, camera = patched_ball(), reference_camera()
    means, turns = torch.tensor([[-0.1, 0.0, 0.0], [0.1, 0.0, 0.0]]), torch.tensor([[1.0, 0, 0, 0]]).expand(2, 4)
    mist = make_gaussians(means, torch.full((2, 3), 0.15), turns, torch.tensor([[0.5, 0.5, 0.5, 0.6]]).expand(2, 4))
    layers = mesh.layers(camera, (64, 64))[:, :4].expand(2, -1, -1, -1)
    with pytest.raises(ValueError, match="shows no opaque part of the 3D model"):
        follow_clip(mist, layers, camera)


def test_control_points_lie_at_different_places() -> None:
    import trimesh

    box = trimesh.creation.box((0.5, 0.5, 0.5))
    corners = torch.from_numpy(box.vertices[box.faces].reshape(-1, 3))  # each face has its own
    assert len(_graph(corners).points) == len(corners.unique(dim=0)) == 8


def test_small_images_are_enlarged_without_steps() -> None:
    """Places that lie a third of a pixel apart in the images are told apart."""
    x = torch.linspace(-1.0, 1.0, 48)
    places = torch.tensor([[40.0, 64.0], [64.0, 64.0], [88.0, 64.0]])

    def blob(shift: float) -> Tensor:  # (1, 4, 48, 48), moved to the right by so many pixels of SIDE
        down, right = torch.meshgrid(x, x - 2.0 * shift / SIDE, indexing="ij")
        cover = (1.0 - 4.0 * (right.square() + down.square())).clamp(0.0, 1.0)
        return torch.stack((cover, cover * (0.5 + 0.5 * torch.sin(9.0 * right)), cover, cover))[None]

    moves, _ = flow_at(blob(0.0), blob(1.5), places)
    assert moves[:, 0].tolist() == pytest.approx([1.5] * 3, abs=0.3) and moves[:, 1].abs().max() < 0.3
