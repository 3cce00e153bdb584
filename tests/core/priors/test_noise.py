"""The noise schedule against recorded values and a plain product; draws against counts."""

import pytest
import torch

from a124core.priors.noise import alpha_bar, draw_timesteps, scaled_linear_sigmas


def test_alpha_bar_at_recorded_timesteps():
    table = alpha_bar(scaled_linear_sigmas())
    found = [float(table[t]) for t in (20, 200, 400, 600, 800, 980)]
    assert found == pytest.approx([0.981, 0.754, 0.425, 0.161, 0.037, 0.006], abs=6e-4)


def test_sigmas_against_the_running_product():
    low, high = 0.00085**0.5, 0.012**0.5
    product, sigmas = 1.0, scaled_linear_sigmas().tolist()
    for t in range(1000):
        product *= 1.0 - (low + (high - low) * t / 999) ** 2
        if t % 111 == 0:
            assert sigmas[t] == pytest.approx(((1 - product) / product) ** 0.5, rel=1e-5)


def test_sigmas_ascend_and_invert():
    sigmas = scaled_linear_sigmas()
    assert sigmas.dtype == torch.float32 and bool((sigmas[1:] > sigmas[:-1]).all())
    abar = alpha_bar(sigmas)
    torch.testing.assert_close(((1 - abar) / abar).sqrt(), sigmas, rtol=1e-3, atol=1e-4)


def test_average_weight_over_the_methods_ranges():
    w = 1 - alpha_bar(scaled_linear_sigmas())
    assert float(w[200:601].mean()) == pytest.approx(0.56, abs=0.01)
    assert float(w[20:981].mean()) == pytest.approx(0.63, abs=0.01)


def test_draws_are_uniform_with_both_ends(rng):
    sigmas = scaled_linear_sigmas()
    draws = draw_timesteps(200_000, 0.2, 0.21, sigmas, rng)
    counts = torch.bincount(draws, minlength=1000)
    assert int(counts.nonzero().min()) == 200 and int(counts.nonzero().max()) == 210
    torch.testing.assert_close(counts[200:211] / 200_000, torch.full((11,), 1 / 11), atol=4e-3, rtol=0)


@pytest.mark.parametrize(("low", "high", "ends"), [(0.2, 0.6, (200, 600)), (0.02, 0.98, (20, 980)), (0, 1, (0, 999))])
def test_ranges_of_the_method(low, high, ends, rng):
    draws = draw_timesteps(100_000, low, high, scaled_linear_sigmas(), rng)
    assert (int(draws.min()), int(draws.max())) == ends


def test_a_range_of_one_level(rng):
    assert draw_timesteps(5, 0.3, 0.3, scaled_linear_sigmas(), rng).tolist() == [300] * 5
