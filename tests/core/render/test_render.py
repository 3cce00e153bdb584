"""Marching and compositing against loops, and images of known fields."""

from __future__ import annotations

import math

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.field.occupancy import Occupancy
from a124core.kernels import accumulate, render_weights
from a124core.protocols import Shading
from a124core.render.clip import ImageOptions, render_clip
from a124core.render.render import render, shade
from a124core.render.sample import DIAGONAL, camera_rays, sample_rays
from tests.fakes import FunctionField, with_occupancy

RADIUS, STEP = 0.4, 0.1


@FunctionField
def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A hard red ball that rises by 0.3 during the clip."""
    centre = torch.stack((torch.zeros_like(time), 0.3 * time, torch.zeros_like(time)), dim=1)
    inside = (xyz - centre).norm(dim=1) < RADIUS
    return 400.0 * inside.float(), torch.tensor([1.0, 0.2, 0.1]).expand_as(xyz)


def test_step_length_of_the_paper() -> None:
    assert DIAGONAL / 1024 == pytest.approx(0.0033829, abs=1e-7)


def test_weights_against_a_loop(rng: torch.Generator) -> None:
    rays = [0, 0, 0, 2, 2, 5]
    density = torch.rand(6, generator=rng, dtype=torch.float64) * 20
    actual = render_weights(density, torch.tensor(rays), 7, STEP)
    expected, transmittance = [], dict.fromkeys(range(7), 1.0)
    for ray, d in zip(rays, density.tolist(), strict=True):
        alpha = 1 - math.exp(-d * STEP)
        expected.append(alpha * transmittance[ray])
        transmittance[ray] *= 1 - alpha
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64))


def test_weights_pass_gradcheck(rng: torch.Generator) -> None:
    density = (torch.rand(6, generator=rng, dtype=torch.float64) * 20).requires_grad_(True)
    ray_indices = torch.tensor([0, 0, 1, 1, 1, 3])
    assert torch.autograd.gradcheck(lambda d: render_weights(d, ray_indices, 4, STEP), density)


def test_what_lies_behind_infinite_density_has_no_weight() -> None:
    ray_indices = torch.zeros(4, dtype=torch.long)
    weights = render_weights(torch.tensor([1.0, torch.inf, 3.0, torch.inf]), ray_indices, 1, STEP)
    assert weights.isfinite().all() and weights[2:].tolist() == [0.0, 0.0]
    assert float(weights.sum()) == pytest.approx(1.0)


def test_rays_without_samples() -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert render_weights(torch.zeros(0), none, 4, STEP).shape == (0,)
    assert not accumulate(torch.zeros(0), torch.zeros(0, 3), none, 4).any()


def test_accumulate_is_a_sum_per_ray() -> None:
    sums = accumulate(torch.tensor([0.5, 0.25, 1.0]), torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([0, 0, 2]), 3)
    assert sums.flatten().tolist() == [1.0, 0.0, 3.0]


def test_a_ball_is_where_geometry_says() -> None:
    """Silhouette, depth and normal of the central ray; the silhouette's radius from the tangent cone."""
    rays = camera_rays(make_cameras([0.0], [0.0]), torch.zeros(1), 65)
    mask = with_occupancy(ball, 32, 1, 3).occupancy.mask()
    result = render(ball, sample_rays(rays, mask, 512), torch.ones(3), Shading())
    image, opacity = result.image.view(65, 65, 3), result.opacity.view(65, 65)
    torch.testing.assert_close(image[32, 32], torch.tensor([1.0, 0.2, 0.1]), atol=1e-3, rtol=0)
    torch.testing.assert_close(image[0, 0], torch.ones(3))
    assert float(result.depth.view(65, 65)[32, 32]) == pytest.approx(1.8 - RADIUS, abs=0.02)
    half_angle = math.asin(RADIUS / 1.8)
    expected = math.tan(half_angle) / math.tan(math.radians(20)) * 32.5
    assert math.sqrt(float(opacity.sum()) / math.pi) == pytest.approx(expected, rel=0.03)


def test_jitter_moves_samples_by_less_than_a_step() -> None:
    cameras = make_cameras([0.0], [0.0])
    mask = Occupancy(torch.full((1, 8, 8, 8), 5.0), 1.0).mask()
    still = sample_rays(camera_rays(cameras, torch.zeros(1), 4), mask, 64)
    moved = sample_rays(camera_rays(cameras, torch.zeros(1), 4, torch.full((16,), 0.5)), mask, 64)
    first = [s.start[s.ray_indices == 5].min() for s in (still, moved)]
    assert 0 < abs(float(first[1] - first[0])) < DIAGONAL / 64


def test_light_model() -> None:
    albedo, normal = torch.tensor([[0.5, 0.4, 0.2]]), torch.tensor([[0.0, 0.0, 1.0]])
    light = torch.tensor([[0.0, 0.6, 0.8]])
    lit = 0.3 + 0.7 * 0.8
    assert torch.equal(shade(albedo, normal, light, Shading()), albedo)
    torch.testing.assert_close(shade(albedo, normal, light, Shading("lambertian", 0.3)), albedo * lit)
    torch.testing.assert_close(shade(albedo, normal, light, Shading("textureless", 0.3)), torch.full((1, 3), lit))
    torch.testing.assert_close(shade(albedo, normal, light, Shading("normal")), (normal + 1) / 2)
    away = shade(albedo, normal, -light, Shading("lambertian", 0.3))
    torch.testing.assert_close(away, albedo * 0.3)


def test_normals_of_a_soft_ball_point_outwards() -> None:
    def soft(xyz, time):
        return 30.0 * torch.sigmoid((RADIUS - xyz.norm(dim=1)) * 40), torch.full_like(xyz, 0.5)

    cameras = make_cameras([0.0, 0.0], [0.0, 90.0])
    clip = render_clip(FunctionField(soft), cameras, torch.zeros(2), ImageOptions(33, n_steps=256))
    torch.testing.assert_close(clip.normal[0, :, 16, 16], torch.tensor([0.5, 0.5, 1.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(clip.normal[1, :, 16, 16], torch.tensor([1.0, 0.5, 0.5]), atol=0.05, rtol=0)


def test_a_clip_moves_and_reports_frames() -> None:
    calls: list[tuple[int, int, str]] = []
    cameras, time = make_cameras(0.0, [0.0, 0.0]), torch.tensor([0.0, 1.0])
    clip = render_clip(ball, cameras, time, ImageOptions(32, 128), on_progress=lambda *call: calls.append(call))
    rows = torch.arange(32.0)[:, None]
    height = [float((m[0] * rows).sum() / m[0].sum()) for m in clip.mask]
    assert height[1] < height[0] - 4  # row numbers fall as it rises
    assert calls == [(done, 2, "") for done in (0, 1, 1, 2)]
    assert clip.image.shape == (2, 3, 32, 32) and clip.depth.shape == (2, 1, 32, 32)


def test_the_reference_camera_sees_plus_x_on_its_right() -> None:
    def right_half(xyz, time):
        return 400.0 * ((xyz.norm(dim=1) < RADIUS) & (xyz[:, 0] > 0)).float(), torch.zeros_like(xyz)

    field, options = FunctionField(right_half), ImageOptions(32, 128, normals=False)
    clip = render_clip(field, make_cameras(0.0, 0.0), torch.zeros(1), options)
    mask = clip.mask[0, 0]
    assert mask[:, 17:].sum() > 50 and mask[:, :15].sum() < 1
