"""Score distillation against the eps formula typed out, and against a Gaussian prior whose answer is known."""

import pytest
import torch

from a124core.cameras.rig import make_cameras, reference_camera
from a124core.priors.noise import scaled_linear_sigmas
from a124core.priors.sds import apply_cfg, sds, sds_weight
from a124core.protocols import View
from tests.fakes import PixelPrior


def alpha_bar(sigma: torch.Tensor) -> torch.Tensor:
    return 1.0 / (1.0 + sigma**2)


class Gaussian(PixelPrior):
    """Data distributed as N(mean, std^2): the exact denoiser."""

    def __init__(self, mean: float = 0.3, std: float = 0.1) -> None:
        self.mean, self.std = mean, std

    def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        s = sigma.reshape(-1, *[1] * (x_t.ndim - 1)) ** 2
        return (self.std**2 * x_t + s * self.mean) / (self.std**2 + s)


class Broken(Gaussian):
    """Answers with some, or only, non-finite numbers."""

    def __init__(self, everywhere: bool) -> None:
        super().__init__()
        self.everywhere = everywhere

    def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        x0 = super().denoise(x_t, sigma, view).clone()
        x0[..., 0] = torch.nan
        x0[..., 1] = torch.inf
        return torch.full_like(x0, torch.nan) if self.everywhere else x0


def view(count: int = 1) -> View:
    return View(make_cameras(0.0, [0.0] * count), reference_camera(), torch.zeros(count), torch.ones(3))


def gradient(prior: Gaussian, x0: torch.Tensor, sigma: torch.Tensor, eps: torch.Tensor, form: str) -> torch.Tensor:
    x0 = x0.clone().requires_grad_(True)
    return torch.autograd.grad(sds(prior, x0, view(len(x0)), sigma, eps, form).sum(), x0)[0]


@pytest.mark.parametrize("form", ["eps", "clean"])
@pytest.mark.parametrize("timestep", [20, 200, 600, 980])
def test_gradient_is_the_weighted_eps_difference(form, timestep, rng):
    """In the variance-preserving letters of the paper: z_t = sqrt(abar) z + sqrt(1 - abar) eps, eps_hat from x0_hat."""
    x0, eps = torch.rand(2, 3, 4, 4, generator=rng), torch.randn(2, 3, 4, 4, generator=rng)
    prior = Gaussian()
    sigma = prior.sigmas[[timestep, timestep]]
    abar = alpha_bar(sigma)[:, None, None, None].double()
    z_t = abar.sqrt() * x0 + (1 - abar).sqrt() * eps
    x0_hat = prior.denoise((z_t / abar.sqrt()).double(), sigma.double(), view(2))
    eps_hat = (z_t - abar.sqrt() * x0_hat) / (1 - abar).sqrt()
    w = (1 - abar) if form == "eps" else ((1 - abar) / abar).sqrt()
    expected = (w * (eps_hat - eps)).float()
    torch.testing.assert_close(gradient(prior, x0, sigma, eps, form), expected, rtol=2e-4, atol=2e-5)


def test_clean_form_is_the_clean_latent_loss(rng):
    """1/2 |z - sg(z0_hat)|^2 has the gradient of the "clean" weight."""
    x0, eps = torch.rand(1, 3, 4, 4, generator=rng), torch.randn(1, 3, 4, 4, generator=rng)
    prior, sigma = Gaussian(), Gaussian.sigmas[[500]]
    leaf = x0.clone().requires_grad_(True)
    with torch.no_grad():
        target = prior.denoise(leaf + sigma * eps, sigma, view())
    (expected,) = torch.autograd.grad(0.5 * (leaf - target).square().sum(), leaf)
    torch.testing.assert_close(gradient(prior, x0, sigma, eps, "clean"), expected)


def test_one_value_per_item_and_items_do_not_mix(rng):
    x0, eps = torch.rand(3, 3, 4, 4, generator=rng), torch.randn(3, 3, 4, 4, generator=rng)
    sigma = Gaussian.sigmas[[100, 500, 900]]
    assert sds(Gaussian(), x0, view(3), sigma, eps).shape == (3,)
    whole = gradient(Gaussian(), x0, sigma, eps, "eps")
    for i in range(3):
        alone = gradient(Gaussian(), x0[i : i + 1], sigma[i : i + 1], eps[i : i + 1], "eps")
        torch.testing.assert_close(whole[i : i + 1], alone)


def test_a_clip_is_one_item(rng):
    x0, eps = torch.rand(1, 4, 6, 4, 4, generator=rng), torch.randn(1, 4, 6, 4, 4, generator=rng)
    clip = View(make_cameras(0.0, [0.0] * 6), reference_camera(), torch.linspace(0, 1, 6), torch.ones(3))
    assert sds(Gaussian(), x0, clip, Gaussian.sigmas[[300]], eps).shape == (1,)


def test_descent_reaches_the_mean_of_the_prior(rng):
    prior, x = Gaussian(mean=0.3), torch.full((1, 3, 2, 2), 0.9)
    for _ in range(400):
        sigma = prior.sigmas[torch.randint(200, 601, (1,), generator=rng)]
        x = x - 0.05 * gradient(prior, x, sigma, torch.randn(x.shape, generator=rng), "eps")
    torch.testing.assert_close(x, torch.full_like(x, 0.3), atol=0.05, rtol=0)


def test_weights_by_name():
    sigma = scaled_linear_sigmas()
    torch.testing.assert_close(sds_weight(sigma, "eps"), 1 - alpha_bar(sigma))
    abar = alpha_bar(sigma)
    torch.testing.assert_close(sds_weight(sigma, "clean"), ((1 - abar) / abar).sqrt(), rtol=1e-3, atol=1e-4)
    ratio = sds_weight(sigma, "clean")[200:801].mean() / sds_weight(sigma, "eps")[200:801].mean()
    assert float(ratio) == pytest.approx(1.99 / 0.68, abs=0.05)


def test_guidance_in_the_hosts_form():
    cond, uncond = torch.tensor(3.0), torch.tensor(1.0)
    assert float(apply_cfg(uncond, cond, 0.0)) == 1.0 and float(apply_cfg(uncond, cond, 1.0)) == 3.0
    released = cond + 100.0 * (cond - uncond)  # the authors' form: their 100 is our 101
    assert float(apply_cfg(uncond, cond, 101.0)) == float(released)


def test_single_non_finite_numbers_count_as_nothing(rng):
    x0, eps = torch.rand(1, 3, 4, 4, generator=rng), torch.randn(1, 3, 4, 4, generator=rng)
    masked = gradient(Broken(False), x0, Gaussian.sigmas[[300]], eps, "eps")
    whole = gradient(Gaussian(), x0, Gaussian.sigmas[[300]], eps, "eps")
    assert torch.equal(masked[..., :2], torch.zeros_like(masked[..., :2]))
    torch.testing.assert_close(masked[..., 2:], whole[..., 2:])


def test_a_prediction_without_one_finite_number_is_not_hidden(rng):
    x0, eps = torch.rand(1, 3, 4, 4, generator=rng), torch.randn(1, 3, 4, 4, generator=rng)
    assert bool(gradient(Broken(True), x0, Gaussian.sigmas[[300]], eps, "eps").isnan().all())


def test_half_precision_latents_keep_a_useful_gradient(rng):
    x0, eps = torch.rand(1, 3, 8, 8, generator=rng), torch.randn(1, 3, 8, 8, generator=rng)
    sigma = Gaussian.sigmas[[200]]
    full = gradient(Gaussian(), x0, sigma, eps, "eps")
    half = gradient(Gaussian(), x0.bfloat16(), sigma, eps.bfloat16(), "eps").float()
    cosine = torch.nn.functional.cosine_similarity(full.flatten(), half.flatten(), dim=0)
    assert float(cosine) > 0.999
