"""Metrics against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from a124core.evaluation import metrics


def square(x: int, y: int, side: int = 4, size: int = 20) -> torch.Tensor:  # (1, 1, size, size), y counted from the top
    mask = torch.zeros(1, 1, size, size)
    mask[..., y : y + side, x : x + side] = 1
    return mask


def test_psnr() -> None:
    truth = torch.full((2, 3, 8, 8), 0.5)
    image = truth.clone()
    image[1] += 0.1
    assert torch.allclose(metrics.psnr(image, truth), torch.tensor([100.0, 20.0]), atol=1e-3)


def test_inside_looks_at_the_object_only(rng: torch.Generator) -> None:
    mask, truth = square(3, 3), torch.rand(1, 3, 20, 20, generator=rng)
    image = torch.where(mask > 0, truth + 0.1, torch.zeros_like(truth))
    assert math.isclose(float(metrics.psnr_inside(image, truth, mask)), 20.0, abs_tol=1e-3)
    assert math.isclose(float(metrics.colour_error(image, truth, mask)), 0.1, abs_tol=1e-5)


def test_iou() -> None:
    assert float(metrics.iou(square(0, 0), square(2, 0))) == pytest.approx(8 / 24)
    assert float(metrics.iou(square(0, 0), square(10, 10))) == 0
    assert float(metrics.iou(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))) == 1


def test_saturation_is_that_of_hsv(rng: torch.Generator) -> None:
    import colorsys

    image = torch.rand(1, 3, 6, 6, generator=rng)
    expected = sum(colorsys.rgb_to_hsv(*pixel)[1] for pixel in image[0].flatten(1).T.tolist()) / 36
    assert float(metrics.saturation(image, torch.ones(1, 1, 6, 6))) == pytest.approx(expected, abs=1e-5)


def test_high_frequency_sees_stripes_but_no_flat_or_slope() -> None:
    everywhere = torch.ones(1, 1, 24, 24)
    centre = torch.zeros(1, 1, 24, 24)
    centre[..., 6:18, 6:18] = 1
    slope = torch.linspace(0, 1, 24).expand(1, 3, 24, 24)
    stripes = (torch.arange(24) % 2).float().expand(1, 3, 24, 24)
    assert metrics.high_frequency(torch.full((1, 3, 24, 24), 0.3), everywhere) < 1e-10
    assert metrics.high_frequency(slope, centre) < 1e-8
    assert float(metrics.high_frequency(stripes, centre)) == pytest.approx(0.25, abs=0.02)


def test_noise_has_detail_but_no_correlation(rng: torch.Generator) -> None:
    everywhere = torch.ones(1, 1, 64, 64)
    truth, noise = torch.rand(2, 1, 3, 64, 64, generator=rng)
    correlation = metrics.high_frequency_correlation
    assert correlation(truth, truth, everywhere) == pytest.approx(1, abs=1e-5)
    assert correlation(0.5 + 0.1 * (truth - 0.5), truth, everywhere) == pytest.approx(1, abs=1e-4)
    assert abs(correlation(noise, truth, everywhere)) < 0.05
    assert correlation((truth + noise) / 2, truth, everywhere) == pytest.approx(0.5**0.5, abs=0.05)
    assert math.isnan(correlation(torch.full_like(truth, 0.3), truth * 0, everywhere))


def test_centroid_is_the_mean_of_the_pixels() -> None:
    centres = metrics.centroid(torch.cat((square(8, 8), square(16, 0))))
    assert torch.allclose(centres, torch.tensor([[0.0, 0.0], [0.4, 0.4]]), atol=1e-6)


def test_paths() -> None:
    time = torch.linspace(0, 1, 30)
    truth = torch.stack((0.1 * torch.sin(6 * time), 0.2 * time), 1)
    assert metrics.path_correlation(0.5 * truth + 3.0, truth) == pytest.approx(1.0, abs=1e-4)
    assert metrics.path_amplitude(0.5 * truth + 3.0, truth) == pytest.approx(0.5, abs=1e-4)
    assert metrics.path_correlation(-truth, truth) == pytest.approx(-1.0, abs=1e-4)
    assert metrics.path_amplitude(truth.mean(0).expand_as(truth), truth) == pytest.approx(0.0, abs=1e-4)
    assert metrics.path_correlation(truth, torch.zeros_like(truth)) is None  # a spin: the metric would be noise
    assert metrics.path_amplitude(truth, torch.zeros_like(truth)) is None


def test_ratio_to_nothing_is_no_number() -> None:
    assert metrics.ratio(torch.tensor([1.0, 3.0]), torch.tensor([4.0])) == 0.5
    assert math.isnan(metrics.ratio(torch.ones(1), torch.zeros(1)))


def test_ssim_of_an_image_and_itself_is_one_and_matches_the_published_code(rng: torch.Generator) -> None:
    measure = pytest.importorskip("skimage.metrics")
    truth = torch.rand(2, 3, 24, 32, generator=rng)
    assert torch.allclose(metrics.ssim(truth, truth), torch.ones(2), atol=1e-5)
    image = (truth + 0.2 * torch.randn(truth.shape, generator=rng)).clamp(0, 1)
    expected = [
        measure.structural_similarity(
            a.double().numpy(), b.double().numpy(), channel_axis=0, data_range=1.0, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for a, b in zip(image, truth, strict=True)
    ]
    assert metrics.ssim(image, truth).tolist() == pytest.approx(expected, abs=2e-4)
    black, white = torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16)
    assert float(metrics.ssim(black, white)) == pytest.approx(1e-4 / 1.0001, rel=1e-3)  # C1 / (1 + C1)
