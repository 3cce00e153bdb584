"""A texture with coarser copies of itself, so that small renders average it as larger ones do."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad


@dataclass(frozen=True, eq=False)
class Texture:
    """Levels of half the size each, down to one texel; used texels are averaged, gaps between charts are not."""

    levels: tuple[Tensor, ...]  # each (4, H, W) premultiplied sRGB in [0, 1] and share of used texels

    @property
    def width(self) -> int:
        return self.levels[0].shape[2]

    @property
    def height(self) -> int:
        return self.levels[0].shape[1]

    def at(self, uv: Tensor, texels: Tensor) -> Tensor:  # (P, 3)
        """Return colours at uv (P, 2), v upwards, averaged over about `texels` (P,) texels."""
        level = (0.5 * texels.clamp_min(1.0).log2()).round().long().clamp(max=len(self.levels) - 1)
        out = uv.new_zeros(len(uv), 3)
        for k in level.unique().tolist():
            own = torch.nonzero(level == k)[:, 0]
            out[own] = _bilinear(self.levels[k], uv[own])
        return out


def make_texture(image: Tensor, used: Tensor | None = None) -> Texture:
    """Make the levels of an image (3, H, W); used (H, W) bool marks the texels of charts, None: all of them."""
    cover = torch.ones_like(image[:1]) if used is None else used[None].to(image)
    levels = [torch.cat((image * cover, cover))]
    while max(levels[-1].shape[1:]) > 1:
        level = levels[-1]
        odd = pad(level[None], (0, level.shape[2] % 2, 0, level.shape[1] % 2), "replicate")
        levels.append(avg_pool2d(odd, 2)[0])
    return Texture(tuple(_filled(levels)))


def _filled(levels: list[Tensor]) -> list[Tensor]:
    """Give texels that no chart uses the colour of the next coarser level that has one, with hardly any weight."""
    coarse, out = levels[-1], [levels[-1]]
    for level in reversed(levels[:-1]):
        height, width = level.shape[1:]
        above = coarse.repeat_interleave(2, 1).repeat_interleave(2, 2)[:, :height, :width]
        colour = above / above[3:].clamp_min(1e-12)
        coarse = torch.where(level[3:] > 0, level, 1e-3 * colour)
        out.append(coarse)
    return out[::-1]


def _bilinear(level: Tensor, uv: Tensor) -> Tensor:  # (P, 3)
    """Sample a level between its texels' centres; past an edge it goes on at the other."""
    height, width = level.shape[1:]
    x, y = (uv[:, 0] % 1.0) * width - 0.5, (1.0 - uv[:, 1] % 1.0) * height - 0.5
    left, top = x.floor(), y.floor()
    total = level.new_zeros(4, len(uv))
    for dx in (0, 1):
        for dy in (0, 1):
            share = (1 - (x - left - dx).abs()) * (1 - (y - top - dy).abs())
            total += share * level[:, (top.long() + dy) % height, (left.long() + dx) % width]
    return (total[:3] / total[3:].clamp_min(1e-12)).T
