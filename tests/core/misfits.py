"""Priors that are wired wrongly on purpose: thin wrappers around a correct one, and a stand-in for a learned prior."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from a124core.prior_check.probe import with_azimuth
from a124core.priors.noise import scaled_linear_sigmas
from a124core.protocols import Cameras, Guidance, Prior, View

DenoiseFn = Callable[[Prior, Tensor, Tensor, View], Tensor]


@dataclass(frozen=True)
class Misfit(Prior):
    """A prior with another encoder or another denoiser in front of it."""

    correct: Prior
    denoise_fn: DenoiseFn
    gain: float = 1.0  # of the latents
    reads_condition: bool = True

    @property
    def sigmas(self) -> Tensor:
        return self.correct.sigmas

    @property
    def cameras(self) -> Cameras | None:
        return self.correct.cameras

    def encode(self, image: Tensor) -> Tensor:
        return self.gain * self.correct.encode(image)

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return self.denoise_fn(self.correct, x_t, sigma, view)


@dataclass(frozen=True)
class Naive(Misfit):
    """It has no ControlNet, so it ignores the image to repair, and declares it: the paper's naive prior."""

    reads_condition: bool = False


def misfit(guidance: Guidance, denoise_fn: DenoiseFn, gain: float = 1.0) -> Guidance:
    return replace(guidance, prior=Misfit(guidance.prior, denoise_fn, gain))


def correct(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, view)


def mirrored_pose(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, with_azimuth(view, -_azimuth(view)))


def opposite_pose(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, with_azimuth(view, 180.0 + _azimuth(view)))


def _azimuth(view: View) -> float:
    return float(view.cameras.azimuth[0] - view.reference.azimuth[0])


def no_pose(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, with_azimuth(view, 0.0))


def v_as_eps(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    """The network predicts v = alpha eps - s x0; read as eps that is x_t - sigma v."""
    x0, level, alpha = _parts(prior, x_t, sigma, view)
    v = alpha * (x_t - x0) / level - alpha * level * x0
    return x_t - level * v


def eps_as_v(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    """The network predicts eps; read as v that is alpha (alpha x_t) - s eps, with s = alpha sigma."""
    x0, level, alpha = _parts(prior, x_t, sigma, view)
    return alpha**2 * x_t - alpha * level * (x_t - x0) / level


def _parts(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> tuple[Tensor, Tensor, Tensor]:
    level = sigma.to(x_t).view(-1, *[1] * (x_t.ndim - 1))
    return prior.denoise(x_t, sigma, view), level, 1.0 / (1.0 + level**2).sqrt()


def identity(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return x_t


def flat_output(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return torch.full_like(x_t, 0.3)


def nan(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    x0 = prior.denoise(x_t, sigma, view)
    return torch.where(sigma.max() > 2.0, torch.full_like(x0, torch.nan), x0)


def overflow(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, view) * torch.where(sigma.max() > 2.0, 5e4, 1.0)


def fewer_channels(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, view)[:, :2]


def shape_error(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied (77x768 and 1024x320)")


def fixed_condition(prior: Prior, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
    return prior.denoise(x_t, sigma, view.with_condition(torch.full((1, 3, 8, 8), 0.5)))


@dataclass(frozen=True)
class Learned(Prior):
    """Like a latent model: four channels, a fraction of the size, blurred outputs, guidance at scale 101."""

    cfg: float = 101.0
    prompt_shift: float = 0.05  # of the mean
    cameras: Cameras | None = None
    sigmas: Tensor = scaled_linear_sigmas()

    def with_cfg(self, scale: float) -> Learned:
        return replace(self, cfg=scale)

    def encode(self, image: Tensor) -> Tensor:
        mix = torch.tensor([[2.0, 0.5, 0.3], [0.4, -1.8, 0.6], [0.2, 0.5, 1.7], [1.0, -0.8, 0.9]])
        small = avg_pool2d(2 * image - 1, 4)
        return torch.einsum("ij,bjhw->bihw", mix, small)

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        """Gaussian: the posterior mean of data with this mean and unit variance, blurred where noise is high."""
        pattern = torch.randn(x_t.shape, generator=torch.Generator().manual_seed(5))
        s = float(sigma[0])
        uncond, cond = 0.3 * pattern, (0.3 + self.prompt_shift) * pattern
        u, c = ((x_t + s**2 * mean) / (1 + s**2) for mean in (uncond, cond))
        return u + self.cfg * (c - u)
