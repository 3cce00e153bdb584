"""Pictures with transparency: colours that are not multiplied by alpha, and do not end at the subject's edge."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ...render.clip import RenderedClip

CLEAR = 1.0 / 255.0  # opacity that rounds to nothing in 8 bits
REACHES = (3, 7)  # pixels; how wide a window an empty pixel takes its colour from, the narrowest first
SOLID = 0.5  # opacity from which a pixel has a depth and a normal


def straight(
    image: Tensor,  # (F, 3, H, W) in [0, 1], rendered on black: colour times alpha
    mask: Tensor,  # (F, 1, H, W) alpha
) -> Tensor:  # (F, 4, H, W)
    """Red, green, blue, alpha, where colour is not multiplied by alpha (PNG, WebP and VP9 mean it so).

    Empty pixels take the colour of what is near. It is never seen, but filters, halved colour planes and lossy coders
    mix neighbours, and black would come back as a dark edge. Farther off they are white, for programs without alpha."""
    alpha = mask * (mask >= CLEAR)
    image = image * (mask >= CLEAR)
    colour, empty = image / alpha.clamp(min=CLEAR), alpha == 0
    for reach in REACHES:
        near, weight = _mean(image, reach), _mean(alpha, reach)
        filled = empty & (weight > 1e-6)
        colour = torch.where(filled, near / weight.clamp(min=1e-6), colour)
        empty = empty & ~filled
    colour = torch.where(empty, 1.0, colour)
    return torch.cat((colour.clamp(0.0, 1.0), alpha), dim=1)


def _mean(planes: Tensor, reach: int) -> Tensor:  # like planes
    """Of the square of that side around each pixel, zero outside the picture."""
    rows = avg_pool2d(planes, (1, reach), 1, (0, reach // 2))
    return avg_pool2d(rows, (reach, 1), 1, (reach // 2, 0))


def true_depth(clip: RenderedClip, step: float) -> Tensor:  # (F, 1, H, W) z-depth in world units, 0 where nothing is
    """The renderer's depth sums weights times the far end of each step: divided by the opacity, half a step nearer."""
    depth = clip.depth / clip.mask.clamp(min=SOLID) - 0.5 * step
    return depth * (clip.mask >= SOLID)


def true_normal(clip: RenderedClip) -> Tensor:  # (F, 3, H, W) unit vectors in world axes, 0 where nothing is
    """The mean surface direction of each pixel."""
    mean = 2.0 * clip.normal / clip.mask.clamp(min=SOLID) - 1.0
    return mean / mean.norm(dim=1, keepdim=True).clamp(min=1e-6) * (clip.mask >= SOLID)
