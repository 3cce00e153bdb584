"""The priors: exact denoisers of a bank of images. For one of K items the posterior mean is closed form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ...protocols import Cameras, Prior, View
from .appearance import Appearance
from .bank import Bank

ENCODE_SCALE = 3.0  # x0 = scale * (2 image - 1): shifts the noise so that it suits small images
NEVER = -1e4  # log weight of an item that the caption or the token excludes
FRONT_BIAS = -1.0  # image prior: log weight of front images at any camera, whatever side the text names (Janus)
LUMINANCE = (0.299, 0.587, 0.114)
SILHOUETTE = 0.25  # distance from the background (RGB, largest channel) at which a pixel surely is the object's


def encode_images(image: Tensor, size: int) -> Tensor:
    """Encode (B, 3, H, W) in [0, 1] as (B, 3, size, size) in [-ENCODE_SCALE, ENCODE_SCALE], as a VAE scales latents."""
    if image.shape[-2:] != (size, size):
        image = interpolate(image, (size, size), mode="bilinear", align_corners=False)
    return ENCODE_SCALE * (2 * image - 1)


def encode_clip(image: Tensor, size: int) -> Tensor:
    """Encode F frames (F, 3, H, W) as one item (1, 3, F, size, size)."""
    return encode_images(image, size).transpose(0, 1)[None]


def guided_mean(
    x_t: Tensor,  # (M, ...)
    items: Tensor,  # (K, M, ...)
    sigma: Tensor,  # (M,)
    cond: Tensor,  # (K,) or (K, M) log prior weights
    uncond: Tensor,
    scale: float,
) -> Tensor:  # (M, ...)
    """Return cfg(uncond mean, cond mean, scale), mixed as weights: both means are linear in the same items.

    The posterior over items is softmax over k of -|x_t - x_k|^2 / (2 sigma^2) + log prior weight.
    """
    sigma = sigma.to(x_t).expand(x_t.shape[0])
    fit = -torch.stack([(x_t - item).square().flatten(1).sum(1) for item in items]) / (2 * sigma**2)

    def posterior(log_weight: Tensor) -> Tensor:  # (K, M), sums to 1 over K
        return torch.softmax(fit + (log_weight if log_weight.ndim == 2 else log_weight[:, None]).to(fit), dim=0)

    weights = posterior(cond)
    if scale != 1.0:
        base = posterior(uncond)
        weights = base + scale * (weights - base)
    return torch.einsum("km,km...->m...", weights, items)


def condition_log_weight(
    condition: Tensor,  # (B, 3, H, W) in [0, 1]
    images: Tensor,  # (K, B, 3, h, w) in [0, 1]
    background: Tensor,  # (3,)
    grid: int,
    std: float,
    colour_std: float,
) -> Tensor:  # (K, B)
    """Return -sum |difference|^2 / (2 std^2) over grid x grid cells: luminance and silhouette at std, colour apart."""
    a = _features(condition, grid, background)
    b = _features(images.flatten(0, 1), grid, background).unflatten(0, images.shape[:2])
    spread = a.new_tensor([std, std, colour_std, colour_std, colour_std]).view(5, 1, 1)
    return -(((a - b) / spread).square()).flatten(2).sum(2) / 2


def _features(image: Tensor, grid: int, background: Tensor) -> Tensor:
    """Split (B, 3, h, w) into luminance, silhouette, and colour without luminance (B, 5, grid, grid)."""
    image = interpolate(image, (grid, grid), mode="area")
    weights = image.new_tensor(LUMINANCE).view(3, 1, 1)
    luminance = (image * weights).sum(1, keepdim=True)
    contrast = (image - background.view(3, 1, 1)).abs().amax(1, keepdim=True)
    return torch.cat((luminance, (contrast / SILHOUETTE).clamp_max(1), image - luminance), 1)


@dataclass(frozen=True, kw_only=True)
class BankPrior(Prior):
    """Base of the built-in priors: the posterior mean over renders of the bank's appearances."""

    bank: Bank
    items: list[Appearance]  # K
    cond: Tensor  # (K,) log weight of each item under the condition
    sigmas: Tensor  # (T,) ascending
    size: int  # side of the images, pixels
    cfg: float
    exact: ClassVar[bool] = True

    @property
    def cameras(self) -> Cameras:
        return self.bank.cameras

    def with_cfg(self, scale: float) -> BankPrior:
        return replace(self, cfg=scale)

    def encode(self, image: Tensor) -> Tensor:
        return encode_images(image, self.size)

    def encoded_items(self, cameras: Cameras, view: View, like: Tensor) -> Tensor:
        """Render and encode all items (K, B, 3, size, size), on the device of `like`."""
        images = self.bank.images(self.items, cameras, view.time.cpu(), self.size, view.background, view.shading)
        return (ENCODE_SCALE * (2 * images - 1)).to(like)


@dataclass(frozen=True)
class ImagePrior(BankPrior):
    """Images of subjects at one time, chosen by caption; front images turn up at any camera (the Janus bias)."""

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        sides = self.encoded_items(view.cameras, view, x_t)
        front = view.reference[torch.zeros(len(view.cameras), dtype=torch.long)]
        items = torch.cat((sides, self.encoded_items(front, view, x_t)))
        cond = torch.cat((self.cond, self.cond + FRONT_BIAS))
        uncond = torch.cat((torch.zeros_like(self.cond), torch.full_like(self.cond, FRONT_BIAS)))
        return guided_mean(x_t, items, sigma, cond, uncond, self.cfg)


@dataclass(frozen=True)
class ViewPrior(BankPrior):
    """Images of subjects from the requested camera; conditioned on the reference image instead of text."""

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        items = self.encoded_items(view.cameras, view, x_t)
        return guided_mean(x_t, items, sigma, self.cond, torch.zeros_like(self.cond), self.cfg)


@dataclass(frozen=True)
class VideoPrior(BankPrior):
    """Whole clips at the cameras and scene times of a view, in drifted colours, chosen by caption."""

    def encode(self, image: Tensor) -> Tensor:
        return encode_clip(image, self.size)

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        clips = self.encoded_items(view.cameras, view, x_t).transpose(1, 2)[:, None]  # (K, 1, 3, F, h, w)
        return guided_mean(x_t, clips, sigma, self.cond, torch.zeros_like(self.cond), self.cfg)


@dataclass(frozen=True, kw_only=True)
class TilePrior(BankPrior):
    """Large images that agree with a small condition. Refine and upscale differ in items and tolerance."""

    grid: int  # side at which condition and items are compared
    std: float  # tolerance of luminance and silhouette
    colour_std: float
    reads_condition: ClassVar[bool] = True

    @torch.no_grad()
    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        if view.condition is None:
            raise ValueError("a refine or upscale prior needs view.condition, the image it repairs: pass (B, 3, H, W).")
        prior = self._without_excluded()
        items = prior.encoded_items(view.cameras, view, x_t)
        condition, background = view.condition.to(items), view.background.to(items)
        images = (items / ENCODE_SCALE + 1) / 2
        agreement = condition_log_weight(condition, images, background, self.grid, self.std, self.colour_std)
        cond = prior.cond.to(items)[:, None] + agreement
        return guided_mean(x_t, items, sigma, cond, torch.zeros_like(cond), self.cfg)

    def _without_excluded(self) -> TilePrior:
        """Drop excluded items, which need not be rendered at scale 1: only the conditional weights count there."""
        if self.cfg != 1.0:
            return self
        chosen = [k for k, weight in enumerate(self.cond.tolist()) if weight > NEVER]
        return replace(self, items=[self.items[k] for k in chosen], cond=self.cond[chosen])
