"""Noise schedules against recorded values, a plain product and diffusers' schedulers; draws against counts."""

import pytest
import torch

from a124core.priors.noise import draw_timesteps, scaled_linear_sigmas, sigma_table
from a124core.priors.parameterization import EPS, FLOW


def alpha_bar(sigma: torch.Tensor) -> torch.Tensor:
    return 1.0 / (1.0 + sigma**2)


def test_alpha_bar_at_recorded_timesteps():
    table = alpha_bar(scaled_linear_sigmas())
    values = [float(table[t]) for t in (20, 200, 400, 600, 800, 980)]
    assert values == pytest.approx([0.981, 0.754, 0.425, 0.161, 0.037, 0.006], abs=6e-4)


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


CONFIGS = [
    ("DDIMScheduler", {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}),  # SD 1, ModelScope
    ("DDPMScheduler", {"beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "scaled_linear"}),  # x4 upscaler
    ("DDPMScheduler", {"beta_schedule": "linear", "num_train_timesteps": 400}),
    ("DDPMScheduler", {"beta_schedule": "squaredcos_cap_v2"}),
    ("DDIMScheduler", {"trained_betas": [0.01, 0.02, 0.05], "num_train_timesteps": 3}),
]


@pytest.mark.parametrize(("name", "config"), CONFIGS)
def test_tables_are_the_schedulers_own(name: str, config: dict) -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: its tables are compared here only")
    theirs = getattr(diffusers, name)(**config).alphas_cumprod.double()
    ours, kind = sigma_table({"_class_name": name, **config})
    assert kind == EPS and ours.shape == theirs.shape and bool((ours.diff() > 0).all())
    assert torch.allclose(1 / (1 + ours.double() ** 2), theirs, rtol=1e-3, atol=1e-7)


def test_zero_terminal_and_flow_tables_are_the_schedulers_own() -> None:
    diffusers = pytest.importorskip("diffusers", reason="diffusers is not installed: its tables are compared here only")
    config = CONFIGS[0][1] | {"rescale_betas_zero_snr": True}
    theirs = diffusers.DDIMScheduler(**config).alphas_cumprod.double()
    ours, _ = sigma_table(config)
    assert torch.allclose(1 / (1 + ours.double() ** 2), theirs, rtol=2e-2, atol=1e-6)
    flow = diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0)
    sigmas, kind = sigma_table({"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0})
    shares = flow.sigmas.flip(0).double().clamp(max=0.999)
    assert kind == FLOW and torch.allclose(sigmas.double() / (1 + sigmas.double()), shares, atol=1e-5)


@pytest.mark.parametrize("config", [{"prediction_type": "score"}, {"beta_schedule": "sigmoid"}])
def test_schedules_nobody_published_are_refused(config: dict) -> None:
    with pytest.raises(ValueError, match="is needed"):
        sigma_table(config)
