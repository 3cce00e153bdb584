"""Pictures' pixels are averages over an area, rays go through centres: what is compared, and what a condition is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.field.field4d import Field4D
from a124core.losses import blur, pixel_kernel
from a124core.protocols import Guidances, View
from a124core.stages.config import CoarseConfig, FineConfig
from a124core.stages.frozen import frozen_images
from a124core.stages.gradients import as_pixels
from a124core.stages.optimise import initial_field
from a124core.stages.render_batch import RenderedImages
from tests.core.stages.ball import FIELD, MOVING, PICTURES, STATIC, VIDEO, VIEW, VIEWS, Ball
from tests.stage_runs import run_stage

VIEW_CAMERAS = make_cameras([0.0, 10.0], [0.0, 30.0])
FACTOR = 5  # a pixel of the averaged pictures is the mean of 5 x 5 points


class AveragedRings(Ball):
    """The ball with rings three pixels apart, each pixel averaged over its square."""

    def picture(self, cameras, time, size, background):
        large = super().picture(cameras, time, FACTOR * size, background)
        rings = ((large[:, 1:2] * 8 * torch.pi).sin() > 0).to(large)
        lit = (large - background.view(1, 3, 1, 1)).abs().amax(1, keepdim=True) > 0
        points = torch.where(lit, rings.expand_as(large), large)
        return torch.nn.functional.avg_pool2d(points, FACTOR)


def test_colour_and_opacity_are_averaged_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    images = RenderedImages(*(torch.rand(2, n, 8, 8, generator=rng) for n in (3, 1, 1, 3)))
    assert as_pixels(images, 0.0) is images
    pixels = as_pixels(images, 1 / 12)
    torch.testing.assert_close(pixels.image, blur(images.image, pixel_kernel(1 / 12)))
    torch.testing.assert_close(pixels.opacity, blur(images.opacity, pixel_kernel(1 / 12)))
    assert pixels.depth is images.depth and pixels.normal is images.normal


def test_averaged_pictures_make_a_field_with_more_contrast_where_rays_count_as_averages() -> None:
    contrasts = []
    for variance in (0.0, 0.22):
        config = replace(STATIC, render=replace(PICTURES, pixel_variance=variance), steps=120)
        guidances = Guidances(view=replace(VIEW, prior=AveragedRings(clip=False)))
        field = run_stage("static", config, guidances, replace(FIELD, max_resolution=48))
        contrasts.append(_contrast(field))
    assert contrasts[1] > 1.05 * contrasts[0]


def _contrast(field: Field4D) -> float:
    """Root mean square of what a blur takes away, within the ball seen from the front."""
    view = View(VIEW_CAMERAS, VIEW_CAMERAS[:1], torch.zeros(len(VIEW_CAMERAS)), torch.ones(3))
    image = frozen_images(field, view, field.occupancy.mask(), replace(PICTURES, size=16))
    middle = (image - blur(image, pixel_kernel(0.25)))[..., 5:11, 5:11]
    return float(middle.square().mean().sqrt())


@pytest.mark.parametrize(("condition_size", "expected"), [(0, 16), (8, 8)])
def test_the_frozen_render_has_the_condition_size(condition_size: int, expected: int) -> None:
    sizes = []

    class Conditioned(Ball):
        reads_condition = True

        def denoise(self, x_t, sigma, view):
            sizes.append((view.condition.shape[-1], x_t.shape[-1]))
            return super().denoise(x_t, sigma, view)

    still = run_stage("static", replace(STATIC, steps=10), VIEWS, FIELD)
    moving = initial_field("coarse", still, FIELD, CoarseConfig(**MOVING), 0)
    config = FineConfig(**{**MOVING, "steps": 1}, condition_size=condition_size)
    guidances = Guidances(video=VIDEO, refine=replace(VIEW, prior=Conditioned(clip=False)))
    run_stage("fine", config, guidances, moving)
    assert sizes == [(expected, 16)]
