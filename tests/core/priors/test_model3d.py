"""A 3D model as a prior: its renders at any camera, time and background, and the models that it refuses."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.models3d.align import Placement
from a124core.models3d.mesh import MeshModel
from a124core.models3d.read import LoadedModel
from a124core.priors.builtin.denoisers import ENCODE_SCALE
from a124core.priors.model3d import model3d_guidances
from a124core.protocols import Prior, Shading, View
from a124core.reference.reference import Reference, make_reference

SIZE = 32


def cube(colour: tuple[float, float, float], shift: float = 0.0) -> MeshModel:
    import trimesh

    box = trimesh.creation.box((0.5, 0.5, 0.5))
    vertices = torch.tensor(box.vertices, dtype=torch.float32) + torch.tensor([shift, 0.0, 0.0])
    return MeshModel(vertices, torch.tensor(box.faces), torch.tensor(colour).expand(len(vertices), 3))


def square_reference(side: int = 64) -> Reference:
    image, mask = torch.zeros(1, 3, side, side), torch.zeros(1, 1, side, side)
    mask[..., 16:48, 16:48] = 1.0
    image[:, 0] = 1.0
    return make_reference(image, mask)


def view_of(azimuths: list[float], times: list[float], shading: Shading | None = None) -> View:
    cameras = make_cameras(0.0, azimuths)
    return View(cameras, reference_camera(), torch.tensor(times), torch.tensor([0.2, 0.9, 0.5]), shading or Shading())


def test_the_posterior_mean_is_the_render_at_any_noise() -> None:
    loaded = LoadedModel((cube((0.9, 0.1, 0.3)),), "The model is a cube.")
    guidances = model3d_guidances(loaded, square_reference(), Placement(), SIZE).guidances
    assert guidances.video is None and guidances.refine is None
    prior = guidances.view.prior
    assert isinstance(prior, Prior) and prior.exact and prior.cameras is None
    view = view_of([0.0, 45.0], [0.0, 0.0])
    means = [prior.denoise(torch.randn(2, 3, SIZE, SIZE), torch.tensor([s, s]), view) for s in (0.1, 10.0)]
    assert torch.equal(*means) and means[0].shape == (2, 3, SIZE, SIZE)
    image = (means[0] / ENCODE_SCALE + 1) / 2
    middle, corner = image[:, :, SIZE // 2, SIZE // 2], image[:, :, 0, 0]
    assert (middle - torch.tensor([0.9, 0.1, 0.3])).abs().max() < 1e-5
    assert (corner - view.background).abs().max() < 1e-5
    wide = ((image - view.background.view(3, 1, 1)).abs().amax(1) > 0.1).any(1).sum(1)
    assert wide[1] > wide[0]  # a cube is wider over its edge


def test_a_sequence_is_a_clip_from_any_camera() -> None:
    frames = tuple(cube((0.9, 0.1, 0.3), shift) for shift in (0.0, 0.1, 0.2))
    guidances = model3d_guidances(LoadedModel(frames, "A sequence."), square_reference(), Placement(), SIZE).guidances
    view = view_of([0.0] * 3, [0.0, 0.5, 1.0])
    clip = guidances.video.prior.denoise(torch.randn(1, 3, 3, SIZE, SIZE), torch.ones(1), view)
    assert clip.shape == (1, 3, 3, SIZE, SIZE)
    red = clip[0, 0].amax(1) > 0.5 * ENCODE_SCALE  # (F, S)
    columns = [float(torch.nonzero(row).float().mean()) for row in red]
    assert columns[0] < columns[1] < columns[2]
    still = guidances.image.prior.images(view)
    assert torch.allclose(guidances.video.prior.encode(still), clip)


def test_normals_and_light_are_those_of_the_surface() -> None:
    """The front of a cube faces the camera: its normal map is (0.5, 0.5, 1), and light from there is full."""
    loaded = LoadedModel((cube((0.8, 0.4, 0.2)),), "The model is a cube.")
    prior = model3d_guidances(loaded, square_reference(), Placement(), SIZE).guidances.view.prior
    normal = prior.images(view_of([0.0], [0.0], Shading("normal")))[0]
    front = normal[:, 12:20, 12:20]
    assert (front - torch.tensor([0.5, 0.5, 1.0]).view(3, 1, 1)).abs().max() < 1e-3
    for light, share in (([0.0, 0.0, 1.0], 1.0), ([0.0, 0.0, -1.0], 0.25)):
        lit = Shading("lambertian", 0.25, torch.tensor([light]))
        image = prior.images(view_of([0.0], [0.0], lit))[0, :, 12:20, 12:20]
        assert (image - share * torch.tensor([0.8, 0.4, 0.2]).view(3, 1, 1)).abs().max() < 1e-3


def test_another_subject_is_refused_unless_it_is_placed_by_hand() -> None:
    pole = cube((1.0, 0.0, 0.0)).transformed(torch.diag(torch.tensor([0.1, 2.0, 0.1])), torch.zeros(3))
    loaded = LoadedModel((pole,), "The model is a pole.")
    with pytest.raises(ValueError, match="overlaps only .* give a model of the same subject") as refusal:
        model3d_guidances(loaded, square_reference(), size=SIZE)
    assert str(refusal.value).endswith(".")
    placed = model3d_guidances(loaded, square_reference(), Placement(scale=0.5), SIZE)
    assert placed.alignment.overlap < 0.6 and "scale 0.50" in placed.note
    with pytest.raises(ValueError, match="choose 8 to 1024"):
        model3d_guidances(loaded, square_reference(), Placement(), 4)
