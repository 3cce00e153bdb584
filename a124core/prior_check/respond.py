"""Measure a prior's response curve: a scene fades, blurs and changes its colours, and the prior denoises each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from .curve import CONTRASTS, LEVELS, ResponseCurve
from .probe import Probe, ProbeInput

MIDDLE = 0.5  # noise of the single queries, a share of the schedule
N_CURVE_QUERIES = 2 * len(CONTRASTS) * len(LEVELS) + 3  # to a prior with a cfg
BLUR = 6  # times smaller and back
DRIFT = (1.3, 0.9, 0.7)  # factors of red, green and blue about the background
MAX_CURVATURE = 0.05  # of the contrast in cfg, as a share of its change, above which a patch changes what cfg means
ROUNDING = 0.005  # of a contrast, where it hardly changes with cfg


def curve_input(inputs: list[ProbeInput], role: str) -> ProbeInput:
    """Choose the view that the curve is measured on: the front, or a side for a prior of novel views."""
    return inputs[1] if role == "view" and len(inputs) > 1 else inputs[0]


@torch.no_grad()
def measure_curve(probe: Probe, item: ProbeInput) -> ResponseCurve | None:
    """Query the prior with the faded scene at each noise level and at two cfgs; None where the scene is empty.

    All contrasts and both cfgs get the same noise, without its part along the scene's own latents: that part would be
    read as contrast. A refine prior keeps the true condition, as the fine stage keeps that of the coarse one.
    """
    truth, ground = probe.encode(item.image), probe.encode(faded(item, 0.0))
    scene = (truth - ground).float()
    if not scene.any():
        return None
    latents = [probe.encode(faded(item, c)) for c in CONTRASTS]
    noises = {level: probe.sigma(level) * without(probe.noise(truth), scene) for level in LEVELS}

    def guess_contrast(x0: Tensor, level: float, cfg: float | None) -> float:
        guess = probe.denoise_at(x0 + noises[level], level, item.view, cfg)
        return share_of(torch.where(guess.isfinite(), guess, x0) - ground, scene)  # as score distillation takes it

    scales = queried_scales(probe.prior.cfg)
    response = [  # its own cfg first: what that opens, the others share
        [[guess_contrast(x0, level, scale) for x0 in latents] for level in LEVELS] for scale in reversed(scales)
    ]
    contrasts = np.array([share_of(x0 - ground, scene) for x0 in latents])
    restored = _restored(probe, item, truth, scene)
    curve = ResponseCurve(contrasts, scales, np.array(response[::-1]), probe.prior.exact, restored=restored)
    if not curve.has_cfg:
        return curve
    middle = sum(scales) / 2
    return replace(curve, linear=is_linear(curve, middle, guess_contrast(latents[-1], MIDDLE, middle)))


def is_linear(curve: ResponseCurve, cfg: float, actual: float) -> bool:
    """Compare the contrast that a third cfg keeps at medium noise with what follows from the two that were queried."""
    change = abs(curve.keeps(MIDDLE, curve.scales[1]) - curve.keeps(MIDDLE, curve.scales[0]))
    return abs(actual - curve.keeps(MIDDLE, cfg)) <= MAX_CURVATURE * change + ROUNDING


def queried_scales(cfg: float | None) -> tuple[float, ...]:
    """Return the cfgs to query, the prior's own last, so that its own curve is measured and not computed."""
    if cfg is None:
        return (1.0,)
    return (1.0, cfg) if abs(cfg - 1.0) > 0.25 else (2.0, cfg)


def _restored(probe: Probe, item: ProbeInput, truth: Tensor, scene: Tensor) -> dict[str, float]:
    """Return the shares of a blur and of wrong colours that one guess mends, apart from the contrast that it changes.

    A refine prior is conditioned on that same image, as in the fine stage on what the coarse one left.
    """
    shares = {}
    for name, image in (("blur", blurred(item.image)), ("colours", recoloured(item))):
        view = item.view if item.view.condition is None else item.view.with_condition(image)
        x0 = probe.encode(image)
        error = without((truth - x0).float(), scene)
        if error.square().mean() > 1e-6:
            noise = probe.sigma(MIDDLE) * without(probe.noise(x0), error)
            guess = probe.denoise_at(x0 + noise, MIDDLE, view, probe.prior.cfg)
            shares[name] = share_of(guess - x0, error)
    return shares


# The scene, changed: (F, 3, S, S) in [0, 1]


def faded(item: ProbeInput, contrast: float) -> Tensor:
    """Return the images at a share of their contrast about the empty background."""
    background = item.view.background.to(item.image).view(3, 1, 1)
    return background + contrast * (item.image - background)


def blurred(image: Tensor) -> Tensor:
    """Return the images without their details."""
    size = image.shape[-2:]
    small = interpolate(image, tuple(max(1, side // BLUR) for side in size), mode="area")
    return interpolate(small, size, mode="bilinear")


def recoloured(item: ProbeInput) -> Tensor:
    """Return the images with their channels' contrasts changed by DRIFT."""
    background = item.view.background.to(item.image).view(3, 1, 1)
    return (background + item.image.new_tensor(DRIFT).view(3, 1, 1) * (item.image - background)).clamp(0.0, 1.0)


def share_of(x: Tensor, direction: Tensor) -> float:
    """Return the length of x along a direction, relative to its own."""
    d = direction.double()
    return float((x.double() * d).sum() / d.square().sum())


def without(x: Tensor, direction: Tensor) -> Tensor:
    """Return x less its part along a direction."""
    return x - share_of(x, direction) * direction.to(x)
