"""Gaussians against a loop over pixels and Gaussians that is written out here."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from a124core.kernels import draw_gaussians
from a124core.kernels.torch_impl import ops as torch_ops

LENS = (30.0, 1.0, -2.0)  # focal length, centre right and up


def image_by_hand(means: Tensor, covariances: Tensor, rgba: Tensor, size: tuple[int, int]) -> Tensor:
    """Project by finite differences, sort, and composite pixel by pixel; the camera is at (0, 0, 1.8)."""
    focal, right, up = LENS

    def project(p: Tensor) -> Tensor:
        depth = 1.8 - p[2]
        return torch.stack((size[1] / 2 + right + focal * p[0] / depth, size[0] / 2 - up - focal * p[1] / depth))

    gaussians = []
    for mean, covariance, colour in zip(means.double(), covariances.double(), rgba.double(), strict=True):
        step = 1e-5 * torch.eye(3, dtype=torch.float64)
        slopes = torch.stack([(project(mean + step[k]) - project(mean - step[k])) / 2e-5 for k in range(3)], 1)
        flat = slopes @ covariance @ slopes.T
        blurred = flat + 0.3 * torch.eye(2, dtype=torch.float64)
        share = (flat.det().clamp_min(0) / blurred.det()).sqrt()
        gaussians.append((float(1.8 - mean[2]), project(mean), blurred.inverse(), colour[3] * share, colour[:3]))
    gaussians.sort(key=lambda gaussian: gaussian[0])
    out = torch.zeros(5, *size, dtype=torch.float64)
    for row in range(size[0]):
        for column in range(size[1]):
            light, pixel = 1.0, torch.tensor([column + 0.5, row + 0.5], dtype=torch.float64)
            for depth, centre, inverse, opacity, colour in gaussians:
                offset = pixel - centre
                alpha = min(0.99, float(opacity * math.exp(-0.5 * float(offset @ inverse @ offset))))
                if alpha < 1 / 255 or light < 1e-5:
                    continue
                out[:3, row, column] += light * alpha * colour
                out[3, row, column] += light * alpha
                out[4, row, column] += light * alpha * depth
                light *= 1 - alpha
    return out


@pytest.mark.parametrize("draw", [torch_ops.draw_gaussians, draw_gaussians], ids=["torch", "selected"])
def test_gaussians_are_those_of_a_loop_over_pixels(draw) -> None:  # noqa: ANN001
    rng = torch.Generator().manual_seed(3)
    means = 0.6 * (torch.rand(25, 3, generator=rng) - 0.5)
    axes = 0.25 * (torch.rand(25, 3, 3, generator=rng) - 0.5)
    covariances, rgba = axes @ axes.transpose(1, 2), torch.rand(25, 4, generator=rng)
    rgba[0, 3] = 1e-4  # not visible
    c2w = torch.eye(4)[None].clone()
    c2w[0, 2, 3] = 1.8
    size = (18, 21)  # tiles that are not whole
    image = draw(means, covariances, rgba, c2w, torch.tensor([LENS]), size)[0]
    expected = image_by_hand(means, covariances, rgba, size)
    assert expected[3].max() > 0.9
    error = (image.double() - expected).abs()
    assert error.mean() < 1e-5 and error.max() < 2.5 / 255  # a Gaussian at its limit may be left out on one side only


def test_a_thin_cloud_of_small_gaussians_is_as_bright_small_as_large() -> None:
    """What the low-pass filter adds in area it takes in opacity: means of alpha agree across a size of 1 to 4."""
    means = 0.5 * (torch.rand(400, 3, generator=torch.Generator().manual_seed(1)) - 0.5)
    covariances, rgba = torch.eye(3).expand(400, 3, 3) * 0.03**2, torch.full((400, 4), 0.3)
    c2w = torch.eye(4)[None].clone()
    c2w[0, 2, 3] = 1.8
    small, large = (
        float(draw_gaussians(means, covariances, rgba, c2w, torch.tensor([[n * 1.37, 0.0, 0.0]]), (n, n))[0, 3].mean())
        for n in (24, 96)
    )
    assert large > 0.01 and abs(small - large) < 0.15 * large


def test_no_gaussians_make_an_empty_image() -> None:
    nothing = torch.zeros(0, 3), torch.zeros(0, 3, 3), torch.zeros(0, 4)
    image = draw_gaussians(*nothing, torch.eye(4)[None], torch.tensor([LENS]), (5, 20))
    assert image.shape == (1, 5, 5, 20) and not image.any()
