"""Random crops of one image for textual inversion, with the release's augmentation."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..losses import blur, gaussian_kernel
from ..reference.layers import resize
from .config import TokenConfig

LUMA = (0.299, 0.587, 0.114)
BLUR_TAPS = 5


COLOURS = 3  # channels; a fourth is the coverage of a cut-out, whose colours are multiplied by it


def training_canvas(image: Tensor, config: TokenConfig) -> Tensor:  # (1, 3 or 4, H, W) -> like it, C x C
    """Return the central square of the image, at the size that crops are taken from."""
    height, width = image.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image.detach().float().cpu()[..., top : top + side, left : left + side]
    target = round(config.size * (config.canvas if config.augment else 1.0))
    return resize(square, (target, target)).clamp(0.0, 1.0)


def training_images(canvas: Tensor, config: TokenConfig, rng: torch.Generator) -> Tensor:  # (batch, 3, size, size)
    """Return random crops in [0, 1]: rotated, flipped, with jittered colours, some grey, some blurred; a cut-out over a
    new plain colour each time, so that no background is learned with it.

    Every image takes the same number of draws, whatever happens to it.
    """
    images = canvas.expand(config.batch, -1, -1, -1)
    if config.augment:
        draws = torch.rand(config.batch, 14, generator=rng)
        images = torch.cat([_cropped(canvas, config, row.tolist()) for row in draws])
    if canvas.shape[1] > COLOURS:
        images = over_random_colours(images, rng)
    if config.augment:
        rows = zip(images, draws, strict=True)
        images = torch.cat([_tinted(image[None], config, row.tolist()) for image, row in rows])
    return images


def over_random_colours(cut_outs: Tensor, rng: torch.Generator) -> Tensor:  # (B, 4, H, W) -> (B, 3, H, W)
    """Put each cut-out, its colours multiplied by its coverage, over a plain colour of its own."""
    behind = torch.rand(len(cut_outs), COLOURS, 1, 1, generator=rng)
    return cut_outs[:, :COLOURS] + (1.0 - cut_outs[:, COLOURS:]) * behind


def _cropped(canvas: Tensor, c: TokenConfig, u: list[float]) -> Tensor:
    return functional.grid_sample(
        canvas, _crop_grid(c, u[:7]), mode="bilinear", padding_mode="border", align_corners=False
    )


def _tinted(image: Tensor, c: TokenConfig, u: list[float]) -> Tensor:
    if u[7] < c.jitter_share:
        image = _jittered(image, [(2 * v - 1) * c.jitter for v in u[8:12]])
    if u[12] < c.grey_share:
        image = _grey(image).expand(-1, 3, -1, -1)
    if u[13] < c.blur_share:
        std = c.blur_low + (c.blur_high - c.blur_low) * u[13] / max(c.blur_share, 1e-6)
        image = blur(image.mT, gaussian_kernel(BLUR_TAPS, std)).mT  # columns first
    return image.clamp(0.0, 1.0)


def _crop_grid(c: TokenConfig, u: list[float]) -> Tensor:  # (1, size, size, 2) for grid_sample
    """Rotate and keep the middle, crop at random, flip: one affine map, one resampling."""
    rotated = u[0] < c.turn_share
    angle = math.radians(c.turn * (2 * u[1] - 1)) if rotated else 0.0
    scale = c.turn_crop if rotated else 1.0
    area = c.crop_low + (c.crop_high - c.crop_low) * u[2]
    root_aspect = math.exp((2 * u[3] - 1) * math.log(4 / 3) / 2)  # square root of an aspect ratio in (3/4, 4/3)
    width, height = (min(1.0, math.sqrt(area) * s) for s in (root_aspect, 1 / root_aspect))
    x, y = (1 - width) * (2 * u[4] - 1), (1 - height) * (2 * u[5] - 1)
    flip = -1.0 if u[6] < 0.5 else 1.0
    crop = torch.tensor([[flip * width, 0.0, x], [0.0, height, y], [0.0, 0.0, 1.0]])
    rotation = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) * scale
    return functional.affine_grid((rotation @ crop[:2])[None], [1, 3, c.size, c.size], align_corners=False)


def _jittered(image: Tensor, amounts: list[float]) -> Tensor:
    """Scale brightness, contrast and saturation by 1 + amount, and rotate the hue by a share of a turn."""
    brightness, contrast, saturation, hue = amounts
    image = image * (1 + brightness)
    mean = _grey(image).mean()
    image = mean + (image - mean) * (1 + contrast)
    grey = _grey(image)
    image = grey + (image - grey) * (1 + saturation)
    cos, sin = math.cos(2 * math.pi * hue), math.sin(2 * math.pi * hue)
    third, cross = (1 - cos) / 3, sin / math.sqrt(3)
    rotation = torch.full((3, 3), third) + cos * torch.eye(3)
    rotation += cross * torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    return torch.einsum("ij,bjhw->bihw", rotation, image).clamp(0.0, 1.0)


def _grey(image: Tensor) -> Tensor:  # (B, 1, H, W)
    return (image * image.new_tensor(LUMA).view(3, 1, 1)).sum(1, keepdim=True)
