"""Inflated images: the reference camera sees the image again, the back has no face, nothing is see-through."""

import math

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.builtin import MOTIONS, example_image, make_priors
from a124core.priors.builtin.appearance import STILL, Appearance, render_appearance
from a124core.priors.builtin.motions import move
from a124core.priors.builtin.puppet.inflate import inflate, match_example
from a124core.reference.reference import make_reference


def silhouette(kind, side=256):
    """Masks (1, 1, side, side): a disc with a hole, thin bars, several pieces, a star-like blob."""
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side),) * 2, indexing="ij")
    r, a = (x**2 + y**2).sqrt(), torch.atan2(y, x)
    masks = {
        "blob": r < 0.45 + 0.12 * (5 * a).cos(),
        "hole": (r < 0.6) & (r > 0.25),
        "thin": ((x.abs() < 0.015) & (y.abs() < 0.6)) | (((x - y).abs() < 0.02) & (r < 0.55)) | (r < 0.15),
        "pieces": ((x + 0.35) ** 2 + y**2 < 0.06)
        | ((x - 0.3).abs() + (y - 0.2).abs() < 0.25)
        | ((y + 0.5).abs() < 0.05) & (x > 0),
    }
    return masks[kind][None, None].float()


def painted(side=256):
    y, x = torch.meshgrid(*(torch.linspace(-1, 1, side),) * 2, indexing="ij")
    return torch.stack((0.5 + 0.4 * (6 * x).sin(), 0.5 + 0.4 * (5 * y).cos(), 0.5 + 0.3 * (4 * (x + y)).sin()))[None]


def psnr(a, b):
    return -10 * math.log10(float((a - b).square().mean()))


@pytest.mark.parametrize("kind", ["blob", "hole", "thin", "pieces"])
@pytest.mark.parametrize("camera", [(0, 0, 1.8, 40), (30, 50, 2.2, 35), (-25, -120, 1.6, 50), (70, 10, 1.8, 40)])
def test_the_reference_camera_sees_the_image(kind, camera):
    elevation, azimuth, radius, fovy = camera
    ref = make_reference(
        painted(), silhouette(kind), mask_marks="subject", camera=reference_camera(elevation, azimuth, radius, fovy)
    )
    own = make_cameras(float(elevation), 0.0, float(radius), float(fovy))
    layers = render_appearance(Appearance(inflate(ref), "reference", STILL), own, torch.zeros(1), 96)
    assert psnr(layers[:, :3] + 1 - layers[:, 3:], ref.composite(96)) >= 30
    assert abs(float(layers[:, 3].sum() / ref.mask_at(96).sum()) - 1) < 0.05


@pytest.mark.parametrize("kind", ["blob", "hole"])
def test_solid_from_every_side(kind):
    """From anywhere the outline has no speckles, and the body has some thickness."""
    subject = inflate(make_reference(painted(), silhouette(kind), mask_marks="subject"))
    around = make_cameras([0.0, 10.0, 0.0, 40.0], [60.0, 90.0, 180.0, 230.0])
    alpha = render_appearance(Appearance(subject, "reference", STILL), around, torch.zeros(4), 48)[:, 3]
    wide = torch.nn.functional.pad(alpha, (1, 1, 1, 1))
    sides = torch.stack((wide[:, :-2, 1:-1], wide[:, 2:, 1:-1], wide[:, 1:-1, :-2], wide[:, 1:-1, 2:])).amin(0)
    assert (sides - alpha).max() < 0.5
    assert (alpha[1] == 1).sum() > 20


def test_no_face_on_the_back():
    image = torch.full((1, 3, 256, 256), 0.8)
    image[:, :, 110:130, 110:146] = 0.0
    subject = inflate(make_reference(image, silhouette("blob"), mask_marks="subject"))
    back = render_appearance(Appearance(subject, "reference", STILL), make_cameras(0.0, 180.0), torch.zeros(1), 48)
    assert back[0, :3][:, back[0, 3] == 1].min() > 0.5


@pytest.mark.parametrize("motion", MOTIONS)
def test_an_inflated_image_does_every_motion_from_rest_to_rest(motion):
    s = inflate(make_reference(painted(), silhouette("blob"), mask_marks="subject"))
    surfels = s.surfels(0.05)
    o = move(motion, surfels, torch.tensor([0.0, 0.3, 1.0]), s.skeleton)
    assert torch.allclose(o.points[0], surfels.points, atol=1e-6)
    assert torch.allclose(o.points[2], surfels.points, atol=1e-5)
    assert (o.points[1] - surfels.points).norm(dim=1).max() > 0.03


def test_sway_keeps_the_feet_and_jump_leaves_the_ground():
    s = inflate(make_reference(painted(), silhouette("blob"), mask_marks="subject"))
    surfels = s.surfels(0.03)
    feet = surfels.points[:, 1] < s.skeleton.low[1] + 0.01
    sway, jump = (
        move(m, surfels, torch.tensor([0.25, 0.5]), s.skeleton) for m in ("sway", "jump")
    )
    assert (sway.points[0] - surfels.points)[feet].norm(dim=1).max() < 0.02
    assert jump.points[1, :, 1].min() > s.skeleton.low[1] + 0.05


def test_example_images_are_recognised_and_others_are_not():
    for name in ("cat", "teapot"):
        image, mask = example_image(name, 256)
        assert match_example(make_reference(image, mask, mask_marks="subject")) == name
        assert match_example(make_reference(image.flip(1), mask, mask_marks="subject")) is None
    assert match_example(make_reference(painted(), silhouette("blob"), mask_marks="subject")) is None


def test_priors_for_an_image_replay_it():
    ref = make_reference(painted(), silhouette("blob"), mask_marks="subject", camera=reference_camera(azimuth=40.0))
    priors = make_priors(ref, "a star hops", image_size=24)
    assert priors.truth.motion == "bounce" and "inflated" in priors.summary
    image, mask = priors.truth.render(ref.camera, torch.zeros(1), 48)
    assert psnr(image, ref.composite(48)) > 28 and mask.shape == (1, 1, 48, 48)
    assert float(priors.view.prior.cond.max()) == 0.0 == float(priors.view.prior.cond[0])


def test_the_front_faces_the_reference_azimuth():
    ref = make_reference(*example_image("duck", 128), mask_marks="subject", camera=reference_camera(azimuth=90.0))
    priors = make_priors(ref, "a duck jumps", image_size=24)
    assert priors.truth.subject == "duck"
    image, _ = priors.truth.render(reference_camera(azimuth=90.0), torch.zeros(1), 48)
    assert psnr(image, ref.composite(48)) > 28
