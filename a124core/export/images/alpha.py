"""Colour, depth and normals of rendered frames as files hold them: not multiplied by alpha."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...render.clip import RenderedClip

MIN_ALPHA = 1.0 / 255.0  # a smaller opacity rounds to nothing in 8 bits
FILL_WINDOWS = (3, 7)  # pixels a side of the windows that an empty pixel takes its colour from, the narrowest first
SURFACE_OPACITY = 0.5  # from which a pixel has a depth and a normal


def unpremultiply(
    image: Tensor,  # (F, 3, H, W) in [0, 1], rendered on black: colour times alpha
    mask: Tensor,  # (F, 1, H, W) alpha
) -> Tensor:  # (F, 4, H, W)
    """Return red, green, blue, alpha, with straight colour, as PNG, WebP and VP9 define it.

    Empty pixels take the colour of their neighbours: it is invisible, but filters, subsampled colour planes and lossy
    coders mix neighbours, and black would bleed in as a dark edge. Farther off they are white, for programs without
    alpha."""
    alpha = mask * (mask >= MIN_ALPHA)
    image = image * (mask >= MIN_ALPHA)
    colour, empty = image / alpha.clamp(min=MIN_ALPHA), alpha == 0
    for side in FILL_WINDOWS:
        mean, weight = _box_mean(image, side), _box_mean(alpha, side)
        filled = empty & (weight > 1e-6)
        colour = torch.where(filled, mean / weight.clamp(min=1e-6), colour)
        empty = empty & ~filled
    colour = torch.where(empty, 1.0, colour)
    return torch.cat((colour.clamp(0.0, 1.0), alpha), dim=1)


def _box_mean(planes: Tensor, side: int) -> Tensor:  # like planes
    """Average over a square window around each pixel, zero outside the image."""
    rows = avg_pool2d(planes, (1, side), 1, (0, side // 2))
    return avg_pool2d(rows, (side, 1), 1, (side // 2, 0))


def surface_depth(clip: RenderedClip) -> Tensor:  # (F, 1, H, W) z-depth in world units, 0 where nothing is
    """Return the depth of the pixels that are opaque enough to be a surface."""
    return clip.depth * (clip.mask >= SURFACE_OPACITY)


def surface_normal(clip: RenderedClip) -> Tensor:  # (F, 3, H, W) unit vectors in world axes, 0 where nothing is
    """Return the mean surface direction of each pixel, divided by its opacity."""
    mean = 2.0 * clip.normal / clip.mask.clamp(min=SURFACE_OPACITY) - 1.0
    return mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-6) * (clip.mask >= SURFACE_OPACITY)
