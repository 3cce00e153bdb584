"""The priors against the posterior mean typed out in float64, and what each may and may not know."""

import math
from dataclasses import replace

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.builtin import make_priors
from a124core.priors.builtin.appearance import STILL, Appearance, get_subject, render_appearance, to_subject_frame
from a124core.priors.builtin.bank import Bank, camera_lattice
from a124core.priors.builtin.denoisers import ENCODE_SCALE, guided_mean
from a124core.protocols import Prior, Shading, View


@pytest.fixture(scope="module")
def priors():
    return make_priors(None, "a robot is waving", image_size=24)


def view_of(priors, count=2, **more):
    rng = torch.Generator().manual_seed(1)
    pick = torch.randint(0, len(priors.bank.cameras), (count,), generator=rng)
    times = torch.arange(count) * 5 / 32
    return View(priors.bank.cameras[pick], reference_camera(), times, torch.tensor([0.2, 0.9, 0.5]), **more)


def right(priors, view, size):
    """The truth as the bank renders it, encoded."""
    image = priors.bank.images([priors.truth.appearance], view.cameras, view.time, size, view.background, Shading())[0]
    return ENCODE_SCALE * (2 * image - 1)


def by_hand(x, items, sigma, cond, uncond, scale):
    """One item at a time in float64."""
    out = torch.zeros_like(x, dtype=torch.float64)
    for m in range(len(x)):
        means = []
        for log_weight in (cond, uncond):
            logits = []
            for k in range(len(items)):
                d = float(((x[m].double() - items[k, m].double()) ** 2).sum())
                logits.append(-d / (2 * float(sigma[m]) ** 2) + float(log_weight[k]))
            top = max(logits)
            total = sum(math.exp(v - top) for v in logits)
            means.append(sum(math.exp(v - top) / total * items[k, m].double() for k, v in enumerate(logits)))
        out[m] = means[1] + scale * (means[0] - means[1])
    return out


@pytest.mark.parametrize("sigma", [0.05, 1.0, 12.0])
def test_posterior_mean_against_a_loop(sigma):
    rng = torch.Generator().manual_seed(0)
    items = 3 * torch.randn(5, 2, 3, 6, 6, generator=rng)
    x = items[1] + sigma * torch.randn(2, 3, 6, 6, generator=rng)
    cond, uncond = torch.tensor([0.0, -1.0, -30.0, 0.5, -1e4]), torch.zeros(5)
    sigmas = torch.full((2,), sigma)
    mean = guided_mean(x, items, sigmas, cond, uncond, 3.0)
    assert torch.allclose(mean.double(), by_hand(x, items, sigmas, cond, uncond, 3.0), atol=2e-3)


def test_scale_one_is_the_conditional_mean():
    rng = torch.Generator().manual_seed(0)
    items, x = torch.randn(4, 1, 3, 4, 4, generator=rng), torch.randn(1, 3, 4, 4, generator=rng)
    cond, other = torch.tensor([0.0, -1.0, -2.0, -3.0]), torch.tensor([5.0, 0.0, 0.0, 0.0])
    one = guided_mean(x, items, torch.tensor([2.0]), cond, other, 1.0)
    same = guided_mean(x, items, torch.tensor([2.0]), cond, cond, 3.0)
    assert torch.allclose(one, same, atol=1e-5)


def test_all_five_are_priors_on_the_sd_schedule(priors):
    for name in ("image", "view", "video", "refine", "upscale"):
        prior = getattr(priors, name).prior
        assert isinstance(prior, Prior)
        assert len(prior.sigmas) == 1000 and (prior.sigmas.diff() > 0).all()
        assert len(prior.cameras) >= 64


def test_encode_shapes_and_gradient(priors):
    image = torch.rand(4, 3, 32, 32, requires_grad=True)
    assert priors.image.prior.encode(image).shape == (4, 3, 24, 24)
    assert priors.refine.prior.encode(image).shape == (4, 3, 48, 48)
    clip = priors.video.prior.encode(image)
    assert clip.shape == (1, 3, 4, 24, 24)
    clip.sum().backward()
    assert image.grad.abs().sum() > 0


def test_the_view_prior_finds_the_right_colours(priors):
    view = replace(view_of(priors), time=torch.zeros(2))
    x0 = right(priors, view, 24)
    noisy = x0 + 3 * torch.randn(x0.shape, generator=torch.Generator().manual_seed(3))
    assert (priors.view.prior.denoise(noisy, torch.tensor([3.0, 3.0]), view) - x0).abs().mean() < 0.02


def test_the_video_prior_moves_rightly_in_wrong_colours(priors):
    view = view_of(priors, 6)
    x0 = right(priors, view, 24).transpose(0, 1)[None]
    noisy = x0 + 5 * torch.randn(x0.shape, generator=torch.Generator().manual_seed(3))
    clip = priors.video.prior.denoise(noisy, torch.tensor([5.0]), view)
    silhouettes = [
        (v - ENCODE_SCALE * (2 * view.background.view(1, 3, 1, 1, 1) - 1)).abs().amax(1) > 0.8 for v in (x0, clip)
    ]
    overlap = (silhouettes[0] & silhouettes[1]).sum() / (silhouettes[0] | silhouettes[1]).sum()
    assert overlap > 0.85
    inside = silhouettes[0][:, None].expand_as(x0)
    assert 0.06 < float((clip - x0).abs()[inside].mean() / (2 * ENCODE_SCALE)) < 0.20


def test_refine_repairs_the_drift_and_upscale_keeps_it(priors):
    view = view_of(priors)
    items = priors.video.prior.items[:1]
    drifted = priors.bank.images(items, view.cameras, view.time, 24, view.background, Shading())[0]
    view = view.with_condition(drifted)
    x = priors.refine.prior.encode(drifted)
    sigma = torch.tensor([4.0, 4.0])
    noisy = x + 4 * torch.randn(x.shape, generator=torch.Generator().manual_seed(3))
    truth = right(priors, view, 48)
    wrong = ENCODE_SCALE * (
        2 * priors.bank.images(items, view.cameras, view.time, 48, view.background, Shading())[0] - 1
    )
    assert (priors.refine.prior.denoise(noisy, sigma, view) - truth).abs().mean() < 0.02
    assert (priors.upscale.prior.denoise(noisy, sigma, view) - wrong).abs().mean() < 0.02


def test_front_images_turn_up_at_the_back(priors):
    """In a view as the static stage makes it, whose text names the side: what the view prior is needed for."""
    back = make_cameras(0.0, 180.0)
    front = right(priors, View(reference_camera(), reference_camera(), torch.zeros(1), torch.ones(3)), 24)
    view = View(back, reference_camera(), torch.zeros(1), torch.ones(3))
    mean = priors.image.prior.denoise(front, torch.tensor([0.5]), view)
    assert (mean - front).abs().mean() < 0.05
    mean = priors.view.prior.denoise(front, torch.tensor([0.5]), view)
    assert (mean - front).abs().mean() > 0.05


@pytest.mark.parametrize("mode", ["lambertian", "textureless", "normal"])
def test_shaded_items_follow_the_light(priors, mode):
    light = torch.nn.functional.normalize(torch.tensor([[0.3, 0.8, 0.5]] * 2), dim=1)
    view = view_of(priors, shading=Shading(mode, 0.3, light))
    images = priors.bank.images(
        priors.refine.prior.items[:2], view.cameras, view.time, 24, view.background, view.shading
    )
    assert images.shape == (2, 2, 3, 24, 24) and images.min() >= -1e-6 and images.max() <= 1 + 1e-6
    away = replace(view, shading=Shading(mode, 0.3, -light))
    other = priors.bank.images(
        priors.refine.prior.items[:2], away.cameras, away.time, 24, away.background, away.shading
    )
    assert torch.equal(images, other) == (mode == "normal")


def test_normals_turn_with_the_reference():
    """A ball-like subject seen from its front has normals towards that camera, wherever the reference stands."""
    for azimuth in (0.0, 70.0, -150.0):
        camera = reference_camera(azimuth=azimuth)
        bank = Bank(camera, camera_lattice(camera))
        panda = Appearance(get_subject("panda"), "reference", STILL)
        layers = bank.layers([panda], camera, torch.zeros(1), 24, True)[0, 0]
        mean = layers[4:].sum((1, 2)) / layers[3].sum()
        a = math.radians(azimuth)
        assert mean @ torch.tensor([math.sin(a), 0.0, math.cos(a)]) > 0.5


def test_cached_and_fresh_images_agree(priors):
    view, items = view_of(priors, 3), priors.refine.prior.items[:2]
    args = (view.cameras, view.time, 24, view.background, Shading())
    first, again = priors.bank.images(items, *args), priors.bank.images(items, *args)
    assert torch.equal(first, again)
    layers = render_appearance(items[0], to_subject_frame(view.cameras, 0.0), view.time, 24)
    fresh = layers[:, :3] + (1 - layers[:, 3:]) * view.background.view(3, 1, 1)
    assert (first[0] - fresh).abs().mean() < 0.004  # bytes and 16-bit points against floats


def test_a_tile_prior_without_condition_says_what_it_needs(priors):
    view = view_of(priors)
    with pytest.raises(ValueError, match="condition"):
        priors.refine.prior.denoise(torch.zeros(2, 3, 48, 48), torch.ones(2), view)


def test_the_lattice_holds_the_reference_camera():
    for elevation, azimuth in ((0.0, 0.0), (18.0, 0.0), (25.0, 110.0)):
        cameras = camera_lattice(reference_camera(elevation, azimuth))
        assert float(cameras.elevation[0]) == elevation and float(cameras.azimuth[0]) == azimuth
        positions = {
            (round(float(e), 3), round(float(a) % 360, 3))
            for e, a in zip(cameras.elevation, cameras.azimuth, strict=True)
        }
        assert len(positions) == len(cameras) >= 64
