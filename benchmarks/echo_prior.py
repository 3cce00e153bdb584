"""An exact prior made to err as a learned one does: it hears its condition faintly and echoes what it is shown.

The model is a Gaussian one. Latents have variance S(f) at spatial frequency f around the empty background; the
condition moves their mean by `heard` of the way to the exact answer. With W = S / (S + sigma^2) the guided guess is

    x0_hat = ground + W (x_t - ground) + cfg heard (1 - W) (exact - ground)

so a clip of contrast c comes back with contrast W c + cfg heard (1 - W), and score distillation rests at cfg heard,
whatever the noise: below 1 it fades the scene, above 1 it over-saturates it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from a124core.protocols import Cameras, Prior, View

VARIANCE = 0.6  # mean of S(f): a clip of a subject keeps .7 of its contrast at half of Stable Diffusion's schedule
CORNER = 0.08  # cycles per pixel where S(f) has fallen to half


@dataclass(frozen=True)
class EchoPrior(Prior):
    """A prior between an exact one (heard = 1 / cfg) and one that knows nothing (heard = 0)."""

    prior: Prior  # exact
    heard: float  # how far the condition moves the mean towards the exact answer
    cfg: float
    wrong_pose: float = 0.0  # degrees: std of the azimuth by which the answer is off, a fixed one for each camera
    drift: tuple[float, float, float] = (1.0, 1.0, 1.0)  # factors of the exact answer's channels
    error: float = 0.0  # rms of an error that is new at each query, as a share of the latents' std at full noise
    condition: float = 0.0  # share of View.condition in the answer of a prior that repairs it; 1: it keeps it as it is
    still: bool = False  # does it know the scene at time 0 only?
    exact = False

    @property
    def sigmas(self) -> Tensor:
        return self.prior.sigmas

    @property
    def cameras(self) -> Cameras | None:
        return self.prior.cameras

    @property
    def reads_condition(self) -> bool:
        return self.prior.reads_condition

    @property
    def unlit(self) -> bool:
        return self.prior.unlit

    def with_cfg(self, scale: float) -> EchoPrior:
        return replace(self, cfg=scale)

    def encode(self, image: Tensor) -> Tensor:
        return self.prior.encode(image)

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        answer = self.prior.with_cfg(1.0).denoise(x_t, sigma, self._mistaken(view))
        frames = len(view.cameras)
        ground = self.prior.encode(view.background.to(x_t).view(1, 3, 1, 1).expand(frames, 3, *x_t.shape[-2:]))
        if self.condition:
            answer = torch.lerp(answer, self.prior.encode(view.condition.to(x_t)), self.condition)
        gains = answer.new_tensor(self.drift).view(1, 3, *[1] * (x_t.ndim - 2))
        answer = ground + gains * (answer - ground)
        heard = self.cfg * self.heard * (answer - ground) + self._error(x_t)
        return ground + heard + _wiener(x_t - ground - heard, sigma)

    def _mistaken(self, view: View) -> View:
        """The view that is answered instead of the requested one."""
        if self.still:
            view = replace(view, time=torch.zeros_like(view.time))
        if not self.wrong_pose:
            return view
        c = view.cameras
        seeds = (c.azimuth * 7.0 + c.elevation * 13.0).round().long().tolist()
        off = torch.tensor([_normal(seed) for seed in seeds]).to(c.azimuth) * self.wrong_pose
        return replace(view, cameras=Cameras(c.elevation, c.azimuth + off, c.radius, c.fovy))

    def _error(self, like: Tensor) -> Tensor | float:
        return self.error * VARIANCE**0.5 * torch.randn_like(like) if self.error else 0.0


def _normal(seed: int) -> float:
    return float(torch.randn((), generator=torch.Generator().manual_seed(seed)))


def _wiener(x: Tensor, sigma: Tensor) -> Tensor:  # (M, ..., h, w), (M,)
    """Apply W(f) = S(f) / (S(f) + sigma^2) to the last two axes."""
    height, width = x.shape[-2:]
    rows, columns = torch.fft.fftfreq(height), torch.fft.rfftfreq(width)
    square = (rows[:, None].square() + columns.square()).to(x)
    power = 1.0 / (1.0 + square / CORNER**2)
    power = VARIANCE * power / power.mean()
    w = power / (power + sigma.to(x).view(-1, *[1] * (x.ndim - 1)).square())
    return torch.fft.irfft2(w * torch.fft.rfft2(x), s=(height, width))
