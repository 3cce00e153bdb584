"""What the field has in place of score distillation's residual, measured on bare pixels; none is part of the method.

A score returns what stands for x0 - x0_hat: its gradient at x0 is w(sigma) / sigma times it. The predicted noise is
(x_t - x0_hat) / sigma, and a step of DDIM goes that many times sigma_s - sigma_t: sigma is sqrt((1 - abar) / abar).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from a124core.protocols import View

from .echo_prior import EchoPrior

RESCALED = 0.7  # share of the rescaled answer (arXiv 2305.08891, section 3.4)
LOW_NOISE = 0.2  # of the schedule, below which the whole prediction counts as the domain's (arXiv 2310.17590, eq. 8)
INVERSION_STEP, INTERVAL = 0.2, 0.05  # of the schedule, delta_S and delta_T of 1,000 (arXiv 2311.11284, section 4)
TARGET_STEPS = 10  # of DDIM from the drawn noise to the target


@dataclass(frozen=True)
class Query:
    """One question to a prior that errs."""

    prior: EchoPrior
    x0: Tensor  # (1, 3, F, h, w), without a graph
    view: View
    timestep: int
    eps: Tensor  # like x0

    @property
    def noised(self) -> Tensor:
        return self.x0 + self.sigma(self.timestep) * self.eps

    def sigma(self, timestep: int) -> float:
        return float(self.prior.sigmas[timestep])

    def answer(self, x_t: Tensor, timestep: int, cfg: float | None = None) -> Tensor:
        """Return x0_hat at the prior's own cfg, or another."""
        prior = self.prior if cfg is None else self.prior.with_cfg(cfg)
        return prior.denoise(x_t, self.prior.sigmas[[timestep]], self.view)

    def at_noise(self, x_t: Tensor, timestep: int, to: int, cfg: float | None = None) -> Tensor:
        """Take a step of DDIM, up or down; to -1: to the image."""
        answer = self.answer(x_t, timestep, cfg)
        return answer + ((0.0 if to < 0 else self.sigma(to)) / self.sigma(timestep)) * (x_t - answer)


def classifier(query: Query) -> Tensor:
    """CSD (arXiv 2310.19415): what the condition adds, alone."""
    cond, uncond = (query.answer(query.noised, query.timestep, cfg) for cfg in (1.0, 0.0))
    return query.prior.cfg * (uncond - cond)


def noise_free(query: Query) -> Tensor:
    """NFSD (arXiv 2310.17590): the same, and below LOW_NOISE the unconditional prediction with its noise. At more noise
    that is to be uncond minus the prediction of a negative prompt; an echo knows no worse images, so this is 0."""
    residual = classifier(query)
    if query.timestep < LOW_NOISE * len(query.prior.sigmas):
        residual = residual + query.noised - query.answer(query.noised, query.timestep, 0.0)
    return residual


def interval(query: Query) -> Tensor:
    """ISM (arXiv 2311.11284): noise from DDIM inversion without a condition, and the difference of the prediction at t
    and the unconditional one an interval earlier."""
    steps = len(query.prior.sigmas)
    before = max(query.timestep - round(INTERVAL * steps), 0)
    path = [*range(0, before, round(INVERSION_STEP * steps)), before]
    x = query.x0
    for here, there in zip(path, path[1:], strict=False):
        x = query.at_noise(x, here, there, 0.0)
    earlier = (x - query.answer(x, before, 0.0)) / query.sigma(before)
    x = x + (query.sigma(query.timestep) - query.sigma(before)) * earlier
    return x - query.answer(x, query.timestep) - query.sigma(query.timestep) * earlier


def rescaled(query: Query) -> Tensor:
    """Guidance whose v-prediction has the spread of the conditional one (arXiv 2305.08891)."""
    sigma = query.sigma(query.timestep)
    alpha = (1.0 + sigma**2) ** -0.5
    guided, cond = (
        alpha * ((query.noised - answer) / sigma - sigma * answer)
        for answer in (query.answer(query.noised, query.timestep, cfg) for cfg in (None, 1.0))
    )
    guided = guided * (RESCALED * cond.std() / guided.std() + 1.0 - RESCALED)
    return query.x0 - alpha * (alpha * query.noised - sigma * guided)


def several_steps(query: Query) -> Tensor:
    """A target that DDIM reaches in TARGET_STEPS, as in Instruct-NeRF2NeRF (arXiv 2303.12789) and ReconFusion
    (arXiv 2312.02981)."""
    path = torch.linspace(query.timestep, 0, TARGET_STEPS).round().long().unique().flip(0).tolist()
    x = query.noised
    for here, there in zip(path, [*path[1:], -1], strict=True):
        x = query.at_noise(x, here, there)
    return query.x0 - x


SCORES: dict[str, Callable[[Query], Tensor]] = {
    "csd": classifier, "nfsd": noise_free, "ism": interval, "rescaled": rescaled, "several-steps": several_steps,
}
