"""How much contrast a prior gives back of a scene that has faded: where score distillation comes to rest.

A scene of contrast c (1: the true one) is noised and denoised; g(c, t) is the contrast of the guess, close to a + b c.
At noise t score distillation rests where g = c, at a / (1 - b): below 1 the scene fades, above it over-saturates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from ..priors.sds import sds_weight
from ..protocols import Guidance

CONTRASTS = (0.3, 0.6, 1.0)  # of the scenes that a prior is queried with
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)  # of their noise, shares of the schedule
DRAWS = 32  # noise levels, and steps of a stage, that stand for all of them
MIN_PULL = 0.01  # of 1 - b: with less a prior returns what it gets, and rests anywhere

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class NoiseDraws:
    """The noise levels that a stage draws, and how strongly score distillation pulls at each."""

    level: Floats  # (N,) shares of the schedule
    weight: Floats  # (N,) w(t) / sigma, the factor of x0 - x0_hat


def noise_draws(guidance: Guidance) -> NoiseDraws:
    """Return the levels that score distillation draws with this guidance, from its first step to its last."""
    last = guidance.t_max if guidance.t_max_end is None else guidance.t_max_end
    highest = np.linspace(guidance.t_max, max(last, guidance.t_min), DRAWS)
    level = np.linspace(np.full(DRAWS, guidance.t_min), highest, DRAWS).flatten()
    sigmas = guidance.prior.sigmas.cpu().double()
    sigma = sigmas[torch.from_numpy(level * len(sigmas)).round().long().clamp(max=len(sigmas) - 1)]
    return NoiseDraws(level, (sds_weight(sigma, guidance.form) / sigma).numpy())


@dataclass(frozen=True)
class ResponseCurve:
    """The contrast of guesses over the contrast of what was denoised, both relative to the true scene's."""

    contrasts: Floats  # (C,) of what was denoised, as latents
    scales: tuple[float, ...]  # cfgs that were queried, the prior's own last; (1.0,) for a prior without one
    response: Floats  # (len(scales), len(LEVELS), C)
    exact: bool = False
    linear: bool = True  # do other cfgs follow from these?
    restored: dict[str, float] = field(default_factory=dict)  # share of a blur, of wrong colours that one guess mends

    @property
    def has_cfg(self) -> bool:
        return len(self.scales) > 1

    @property
    def own_cfg(self) -> float:
        return self.scales[-1]

    def at(self, cfg: float) -> Floats:  # (len(LEVELS), C)
        """Return g at any cfg: a guided guess is linear in its scale."""
        if not self.has_cfg:
            return self.response[0]
        first, last = self.scales
        share = (cfg - first) / (last - first)
        return (1.0 - share) * self.response[0] + share * self.response[1]

    def keeps(self, level: float, cfg: float) -> float:
        """Return the contrast that the true scene keeps at a noise level."""
        return float(np.interp(level, LEVELS, self.at(cfg)[:, -1]))

    def fit(self, cfg: float) -> tuple[Floats, Floats]:  # (len(LEVELS),) each
        """Return a and b of the least-squares line g = a + b c at each noise level."""
        c, g = self.contrasts - self.contrasts.mean(), self.at(cfg)
        b = (g - g.mean(1, keepdims=True)) @ c / (c @ c)
        return g.mean(1) - b * self.contrasts.mean(), b

    def rests(self, cfg: float) -> list[float]:
        """Return the contrast at which score distillation comes to rest at each noise level alone."""
        return [rest(a, 1.0 - b) for a, b in zip(*self.fit(cfg), strict=True)]

    def pull(self, cfg: float, draws: NoiseDraws) -> tuple[float, float]:
        """Return A and B of the mean force A - B c on a scene of contrast c."""
        a, b = (np.interp(draws.level, LEVELS, values) for values in self.fit(cfg))
        weight = draws.weight / draws.weight.sum()
        return float(weight @ a), float(weight @ (1.0 - b))

    def joint_rest(self, cfg: float, draws: NoiseDraws) -> float:
        """Return the contrast at which it comes to rest with all these noise levels together."""
        return rest(*self.pull(cfg, draws))

    def cfg_for(self, contrast: float, draws: NoiseDraws) -> float | None:
        """Return the cfg with which it comes to rest at this contrast; None where none does."""
        if not (self.has_cfg and self.linear):
            return None
        (a0, b0), (a1, b1) = self.pull(0.0, draws), self.pull(1.0, draws)  # linear in cfg, as g is
        gain = (a1 - a0) - contrast * (b1 - b0)
        cfg = (contrast * b0 - a0) / gain if abs(gain) > 1e-9 else math.inf
        return cfg if math.isfinite(cfg) and self.pull(cfg, draws)[1] > MIN_PULL else None


def rest(a: float, b: float) -> float:
    """Return where a - b c is 0, from 0 up; infinite where nothing holds c back."""
    return max(float(a / b), 0.0) if b > MIN_PULL else math.inf if a > 0.0 else 0.0
