"""The priors: exact denoisers of a bank of pictures. For one of K items the posterior mean is closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...protocols import Cameras, Prior, View
from .bank import Bank
from .recipe import ENCODE_SCALE, FRONT_BIAS, NEVER
from .scenes import Look
from .tile import agreement


def encode_pictures(image: Tensor, size: int, scale: float = ENCODE_SCALE) -> Tensor:
    """(B, 3, H, W) in [0, 1] -> (B, 3, size, size) in [-scale, scale]; scale plays the part of a VAE's scale factor."""
    if image.shape[-2:] != (size, size):
        image = interpolate(image, (size, size), mode="bilinear", align_corners=False)
    return scale * (2 * image - 1)


def posterior_weights(
    x_t: Tensor,  # (M, ...)
    items: Tensor,  # (K, M, ...)
    sigma: Tensor,  # (M,)
    *log_weights: Tensor,  # each (K,) or (K, M): log prior weights
) -> list[Tensor]:  # for each: (K, M), sums to 1 over K
    """softmax over k of -|x_t - x_k|^2 / (2 sigma^2) + log weight: which item the noisy picture came from."""
    distance = torch.stack([(x_t - item).square().flatten(1).sum(1) for item in items])
    fit = -distance / (2 * sigma**2)
    wide = (w if w.ndim == 2 else w[:, None] for w in log_weights)
    return [torch.softmax(fit + w.to(fit), dim=0) for w in wide]


def guided_mean(x_t: Tensor, items: Tensor, sigma: Tensor, cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """cfg(uncond mean, cond mean, scale), mixed as weights: both means are linear in the same items."""
    sigma = sigma.to(x_t).expand(x_t.shape[0])
    if scale == 1.0:
        (weights,) = posterior_weights(x_t, items, sigma, cond)
    else:
        c, u = posterior_weights(x_t, items, sigma, cond, uncond)
        weights = u + scale * (c - u)
    return torch.einsum("km,km...->m...", weights, items)


@dataclass(frozen=True)
class _Setup:
    """What all of them hold."""

    bank: Bank
    looks: list[Look]
    cond: Tensor  # (K,) log weight of each look when the condition is heard
    sigmas: Tensor  # (T,) ascending
    size: int
    cfg: float

    @property
    def heard(self) -> _Setup:
        """Without what nobody asks for: at cfg 1 only the condition speaks, and what it excludes need not be drawn."""
        if self.cfg != 1.0:
            return self
        kept = [k for k, weight in enumerate(self.cond.tolist()) if weight > NEVER]
        return replace(self, looks=[self.looks[k] for k in kept], cond=self.cond[kept])


@dataclass(frozen=True)
class BankPrior(Prior):
    """What the four have in common: the posterior mean over the bank's pictures, for pictures."""

    setup: _Setup
    exact: ClassVar[bool] = True

    @property
    def sigmas(self) -> Tensor:
        return self.setup.sigmas

    @property
    def cameras(self) -> Cameras:
        return self.setup.bank.cameras

    @property
    def cfg(self) -> float:
        return self.setup.cfg

    def with_cfg(self, scale: float) -> BankPrior:
        return replace(self, setup=replace(self.setup, cfg=scale))

    def encode(self, image: Tensor) -> Tensor:
        return encode_pictures(image, self.setup.size)


@dataclass(frozen=True)
class ImagePrior(BankPrior):
    """Pictures of subjects at one time, chosen by caption; front pictures turn up at any camera (the Janus bias)."""

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        s = self.setup
        sides = _items(s, view.cameras, view, x_t)
        fronts = _items(s, _repeat(view.reference, len(view.cameras)), view, x_t)
        cond = torch.cat((s.cond, s.cond + FRONT_BIAS))
        uncond = torch.cat((torch.zeros_like(s.cond), torch.full_like(s.cond, FRONT_BIAS)))
        return guided_mean(x_t, torch.cat((sides, fronts)), sigma, cond, uncond, s.cfg)


@dataclass(frozen=True)
class ViewPrior(BankPrior):
    """Pictures of subjects from the asked camera; hears the reference picture instead of text."""

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        s = self.setup
        return guided_mean(x_t, _items(s, view.cameras, view, x_t), sigma, s.cond, torch.zeros_like(s.cond), s.cfg)


@dataclass(frozen=True)
class VideoPrior(BankPrior):
    """Whole clips at given cameras and scene times, in drifted colours, chosen by caption."""

    def encode(self, image: Tensor) -> Tensor:
        return encode_pictures(image, self.setup.size).transpose(0, 1)[None]

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        s = self.setup
        clips = _items(s, view.cameras, view, x_t).transpose(1, 2)[:, None]  # (K, 1, 3, F, h, w)
        return guided_mean(x_t, clips, sigma, s.cond, torch.zeros_like(s.cond), s.cfg)


@dataclass(frozen=True)
class TilePrior(BankPrior):
    """Large pictures that agree with a small condition. Refine and upscale differ in looks and strictness."""

    grid: int  # side at which condition and items are compared
    std: float  # tolerance of luminance and silhouette
    colour_std: float
    reads_condition: ClassVar[bool] = True

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        s = self.setup
        if view.condition is None:
            raise ValueError(
                "a refine or upscale prior needs view.condition, the picture it repairs: pass (B, 3, H, W)."
            )
        heard = s.heard
        items = _items(heard, view.cameras, view, x_t)
        pictures = (items / ENCODE_SCALE + 1) / 2
        agree = agreement(
            view.condition.to(items), pictures, view.background.to(items), self.grid, self.std, self.colour_std
        )
        cond = heard.cond.to(items)[:, None] + agree
        return guided_mean(x_t, items, sigma, cond, torch.zeros_like(cond), s.cfg)


def _items(setup: _Setup, cameras: Cameras, view: View, like: Tensor) -> Tensor:
    """(K, B, 3, size, size) encoded pictures of all looks, on the device of `like`."""
    pictures = setup.bank.pictures(setup.looks, cameras, view.time.cpu(), setup.size, view.background, view.shading)
    return (ENCODE_SCALE * (2 * pictures - 1)).to(like)


def _repeat(camera: Cameras, count: int) -> Cameras:
    return camera[torch.zeros(count, dtype=torch.long)]
