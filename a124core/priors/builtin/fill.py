"""Spreading values over a mask: a soap film's height, and colours from the rim inwards."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

SWEEPS = 40  # relaxation sweeps per level of the pyramid
COARSEST = 12  # side at which the pyramid starts


def poisson(mask: Tensor, source: float = 4.0) -> Tensor:
    """mask (1, 1, G, G) of 0 and 1 -> f with laplace f = -source inside and f = 0 outside, in units of cells squared.

    With source 4, sqrt(f) over a disc is half a ball. Solved from coarse to fine; each level starts from the last.
    """
    side = mask.shape[-1]
    f = None
    for size in _sizes(side):
        m = mask if size == side else (interpolate(mask, (size, size), mode="area") > 0.5).float()
        cell = side / size
        if f is None:
            f = torch.zeros_like(m)
        else:
            f = interpolate(f, (size, size), mode="bilinear", align_corners=False)
        f = f * m
        for _ in range(SWEEPS):
            f = m * (_neighbours(f) + source * cell * cell) / 4
    return f


def _neighbours(x: Tensor) -> Tensor:
    """Sum of the four neighbours, 0 outside."""
    p = pad(x, (1, 1, 1, 1))
    return p[..., :-2, 1:-1] + p[..., 2:, 1:-1] + p[..., 1:-1, :-2] + p[..., 1:-1, 2:]


def _sizes(side: int) -> list[int]:
    sizes = [side]
    while sizes[-1] // 2 >= COARSEST:
        sizes.append(sizes[-1] // 2)
    return sizes[::-1]


def spread(colours: Tensor, known: Tensor) -> Tensor:
    """colours (1, 3, G, G) where known (1, 1, G, G) is 1, spread smoothly over the rest (push and pull)."""
    levels = [(colours * known, known)]
    while levels[-1][1].shape[-1] > 1:
        c, w = levels[-1]
        size = (c.shape[-1] + 1) // 2
        levels.append((interpolate(c, (size, size), mode="area"), interpolate(w, (size, size), mode="area")))
    c, w = levels[-1]
    out = c / w.clamp_min(1e-6)
    for c, w in levels[-2::-1]:
        up = interpolate(out, c.shape[-2:], mode="bilinear", align_corners=False)
        share = w.clamp(0, 1)
        out = share * c / w.clamp_min(1e-6) + (1 - share) * up
    return out


def blurred(colours: Tensor, mask: Tensor, reach: int) -> Tensor:
    """Mean of the masked colours within about `reach` cells, three box passes."""
    kernel = 2 * (reach // 2) + 1
    c, w = colours * mask, mask
    for _ in range(3):
        c, w = (avg_pool2d(v, kernel, 1, kernel // 2, count_include_pad=True) for v in (c, w))
    return c / w.clamp_min(1e-6)
