"""Motions: the identity at 0, closed at 1, normals that follow, inside the visible box."""

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.priors.builtin import MOTIONS, SUBJECTS
from a124core.priors.builtin.appearance import Appearance, get_subject, motion_gain, render_appearance
from a124core.priors.builtin.motions import move
from a124core.priors.builtin.subject import Skeleton, Surfels, view_extent


def moved(subject, motion, times, spacing=0.04):
    s = subject.surfels(spacing)
    return s, move(motion, s, torch.tensor(times), subject.skeleton, motion_gain(subject, motion))


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("name", ["robot", "teapot"])
def test_identity_at_both_ends_and_something_between(name, motion):
    s, o = moved(get_subject(name), motion, [0.0, 0.3, 1.0])
    assert torch.allclose(o.points[0], s.points, atol=1e-6) and torch.allclose(o.normals[0], s.normals, atol=1e-5)
    assert torch.allclose(o.points[2], s.points, atol=1e-5)
    assert (o.points[1] - s.points).norm(dim=1).max() > 0.03


@pytest.mark.parametrize("motion", MOTIONS)
def test_normals_follow_the_surface(motion):
    """Against the cross product of two small tangents, moved; a skeleton without limbs uses every soft region."""
    rng = torch.Generator().manual_seed(0)
    points = (torch.rand(400, 3, generator=rng) - 0.5).double() * 0.8
    n = torch.nn.functional.normalize(torch.randn(400, 3, generator=rng).double(), dim=1)
    u = torch.nn.functional.normalize(torch.linalg.cross(n, n.roll(1, 1)), dim=1)
    v = torch.linalg.cross(n, u)
    skeleton = Skeleton(torch.full((3,), -0.4), torch.full((3,), 0.4), None)
    limb, time, eps = torch.zeros(400, dtype=torch.int8), torch.tensor([0.2, 0.45, 0.7]).double(), 1e-5

    def at(x):
        return move(motion, Surfels(x, n, n, limb), time, skeleton).points

    a, b = at(points + eps * u) - at(points - eps * u), at(points + eps * v) - at(points - eps * v)
    numeric = torch.nn.functional.normalize(torch.linalg.cross(a, b), dim=-1)
    exact = move(motion, Surfels(points, n, n, limb), time, skeleton).normals
    close = (numeric * exact).sum(-1) > 0.999
    assert close.float().mean() > 0.98  # a few points lie on the corner of a region


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_motion_stays_in_the_visible_box_and_in_the_reference_image(name):
    subject, camera = get_subject(name), make_cameras([0.0] * 8, [0.0] * 8)
    for motion in MOTIONS:
        _, o = moved(subject, motion, [k / 16 for k in range(16)], 0.05)
        assert view_extent(o.points) < 1.02, motion
        alpha = render_appearance(Appearance(subject, "reference", motion), camera, torch.arange(8) / 8, 48)[:, 3]
        rim = torch.cat((alpha[:, 0], alpha[:, -1], alpha[:, :, 0], alpha[:, :, -1]), 1)
        assert rim.max() == 0, motion
