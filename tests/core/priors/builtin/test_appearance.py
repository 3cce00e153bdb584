"""Splats against exact rays and holes; subjects: size in the image, drift, outline, fronts that differ from backs."""

import math

import pytest
import torch

from a124core.cameras.rig import make_cameras, pixel_rays
from a124core.priors.builtin import SUBJECTS, example_image
from a124core.priors.builtin.appearance import (
    STILL,
    Appearance,
    TensorCache,
    get_subject,
    render_appearance,
    splat,
    surfel_spacing,
)
from a124core.priors.builtin.surfaces import ball

AROUND = make_cameras([0.0, 0.0, 0.0, 0.0, 36.0, -18.0], [0.0, 90.0, 180.0, 270.0, 40.0, 200.0])
CAMERAS = make_cameras([0.0, 30.0, -20.0, 75.0], [0.0, 50.0, 190.0, -70.0])


def ball_surfels(*balls, size):
    """Points, normals (B, 3, N) and one colour per ball; each ball is (centre, radius)."""
    parts = [ball(c, (r, r, r)).sample(surfel_spacing(size, 1.8, 40.0)) for c, r in balls]
    points, normals = (torch.cat([p[i] for p in parts]).T.expand(len(CAMERAS), -1, -1) for i in (0, 1))
    colours = torch.cat([torch.eye(3)[k].expand(len(p[0]), 3) for k, p in enumerate(parts)])
    return points, normals, colours


def first_ball(balls, size):
    """(K + 1, B, size, size): which ball each ray meets first; the last row is none."""
    origins, directions = pixel_rays(CAMERAS, (size, size))
    depth = torch.full((len(balls) + 1, *origins.shape[:2]), math.inf)
    depth[-1] = 1e9
    for k, (centre, radius) in enumerate(balls):
        o = origins - torch.tensor(centre)
        a, b, c = (directions**2).sum(-1), (o * directions).sum(-1), (o**2).sum(-1) - radius**2
        root = b**2 - a * c
        depth[k] = torch.where(root > 0, (-b - root.clamp_min(0).sqrt()) / a, math.inf)
    winner = depth.argmin(0)
    return torch.stack([winner == k for k in range(len(balls) + 1)]).view(-1, len(CAMERAS), size, size)


@pytest.mark.parametrize("size", [32, 48, 96])
def test_a_ball_has_its_outline_and_no_hole(size):
    balls = [((0.05, -0.08, 0.1), 0.4)]
    _, alpha = splat(*ball_surfels(*balls, size=size), CAMERAS, size)
    exact = first_ball(balls, 4 * size)[0].float()
    exact = torch.nn.functional.avg_pool2d(exact[:, None], 4)
    inner = -torch.nn.functional.max_pool2d(-exact, 3, 1, 1)
    assert (alpha[inner == 1] == 1).all()
    assert (alpha[torch.nn.functional.max_pool2d(exact, 3, 1, 1) == 0] == 0).all()
    assert torch.minimum(alpha, exact).sum() / torch.maximum(alpha, exact).sum() > 0.97
    assert abs(float(alpha.sum() / exact.sum()) - 1) < 0.02


def test_the_nearest_ball_wins():
    balls = [((0.1, 0.0, 0.3), 0.2), ((-0.1, 0.05, -0.2), 0.3), ((0.0, -0.2, 0.0), 0.25)]
    image, _ = splat(*ball_surfels(*balls, size=96), CAMERAS, 96)
    exact = torch.nn.functional.avg_pool2d(first_ball(balls, 96 * 4)[:3].float().flatten(0, 1)[:, None], 4)
    exact = exact.view(3, len(CAMERAS), 96, 96).transpose(0, 1)
    assert (image - exact).abs().mean() < 0.004
    sure = -torch.nn.functional.max_pool2d(-exact, 3, 1, 1) == 1
    assert (image[sure] > 0.7).all() and image[sure].mean() > 0.99


def test_points_behind_the_camera_or_outside_the_image_are_left_out():
    points = torch.tensor([[0.0, 0.0, 5.0], [3.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).T[None]
    normals = torch.tensor([0.0, 0.0, 1.0])[:, None].expand(1, 3, 3)
    image, alpha = splat(points, normals, torch.eye(3), make_cameras(0.0, 0.0), 16)
    assert image[:, :2].sum() == 0 and torch.isfinite(alpha).all()


def still(name, palette="reference", size=48):
    return render_appearance(Appearance(get_subject(name), palette, STILL), AROUND, torch.zeros(len(AROUND)), size)


@pytest.mark.parametrize("name", SUBJECTS)
def test_fills_15_to_35_percent(name):
    assert 0.15 <= float(still(name)[0, 3].mean()) <= 0.35


@pytest.mark.parametrize("name", SUBJECTS)
def test_drift_is_fixed_between_10_and_16_percent(name):
    a, b = still(name), still(name, "drifted")
    inside = a[:, 3:] == 1
    change = ((a - b)[:, :3].abs() * inside).sum((1, 2, 3)) / inside.sum((1, 2, 3)) / 3
    assert 0.10 <= float(change[0]) <= 0.16  # the reference view
    assert 0.10 <= float(change.mean()) <= 0.16
    assert torch.equal(a[:, 3], b[:, 3])


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_speckles(name):
    """No pixel far clearer than all of its four neighbours: the outline is solid."""
    alpha = torch.nn.functional.pad(still(name, size=96)[:, 3], (1, 1, 1, 1))
    sides = torch.stack((alpha[:, :-2, 1:-1], alpha[:, 2:, 1:-1], alpha[:, 1:-1, :-2], alpha[:, 1:-1, 2:])).amin(0)
    assert (sides - alpha[:, 1:-1, 1:-1]).max() < 0.5


@pytest.mark.parametrize("name", SUBJECTS)
def test_the_back_is_not_the_front(name):
    images = still(name)
    front, back = images[0], images[2].flip(-1)
    both = (front[3] == 1) & (back[3] == 1)
    assert (front[:3] - back[:3]).abs().mean(0)[both].mean() > 0.03


def test_the_example_image_is_the_reference_view():
    image, mask = example_image("duck", 64)
    assert image.shape == (1, 3, 64, 64) and mask.shape == (1, 1, 64, 64)
    assert image.min() >= 0 and image.max() <= 1
    duck = Appearance(get_subject("duck"), "reference", STILL)
    layers = render_appearance(duck, make_cameras(0.0, 0.0), torch.zeros(1), 64)
    assert torch.allclose(image * mask, layers[:, :3], atol=1e-5)


def test_an_unknown_subject_names_the_known_ones():
    with pytest.raises(ValueError, match="snowman"):
        example_image("unicorn")


def test_the_cache_holds_its_limit():
    cache = TensorCache(1000)
    for k in range(10):
        cache.put(k, torch.zeros(300, dtype=torch.uint8))
    assert cache.size <= 1000 and len(cache) == 3 and cache.get(9) is not None and cache.get(0) is None
