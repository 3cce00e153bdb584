"""Fill a region with patches from around it, so that stripes and fur go on: exemplar-based inpainting.

Criminisi, Perez, Toyama, "Region filling and object removal by exemplar-based inpainting" (2004), section 3, by
confidence alone: its term of edges drags a neighbour's outline far into a coat. Patches keep to the smooth fill, too.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from ....reference.layers import fill_outwards

HALF = 3  # pixels on each side of a patch's middle
STRIDE = 2  # every so many places are sources
SMOOTH = 1.0  # weight of the squared difference between a patch's mean colour and that of the smooth fill
NEAREST = 0.05  # mean squared colour difference that counts as much as a distance of the image's side
USED = 0.002  # the same of each earlier use of a source


def inpaint(image: np.ndarray, region: np.ndarray, source: np.ndarray) -> np.ndarray:  # (S, S, 3), (S, S) bool twice
    """Fill a region from places of which the whole patch lies in the source; smoothly without such a place."""
    layers = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    known = torch.from_numpy(source)[None, None].float()
    smooth = fill_outwards(layers, known)[0].permute(1, 2, 0).numpy()
    places = np.argwhere(ndimage.minimum_filter(source, 2 * HALF + 1, mode="constant")[::STRIDE, ::STRIDE]) * STRIDE
    if not len(places):
        return np.where(region[..., None], smooth, image)
    return _Filling(image, smooth, region, source, places).run()


class _Filling:
    """An image while a region of it is filled."""

    def __init__(
        self, image: np.ndarray, smooth: np.ndarray, region: np.ndarray, source: np.ndarray, places: np.ndarray
    ) -> None:
        self.out, self.smooth = np.where(region[..., None], 0, image).astype(np.float32), smooth
        self.rest, self.known, self.places = region.copy(), source.copy(), places
        self.confidence = source.astype(np.float32)
        self.patches = self._patches()
        self.squares = self.patches.square()
        self.means = self.patches.view(len(places), -1, 3).mean(1)
        self.used = torch.zeros(len(places))

    def run(self) -> np.ndarray:
        """Fill the whole region, patch by patch."""
        while self.rest.any():
            row, col = self._next()
            self._fill(row, col, int(self._cost(row, col).argmin()))
        return self.out

    def _patches(self) -> Tensor:
        """Return the patches (K, side side 3) around the places."""
        rows, cols = (self.places[:, k, None, None] + np.arange(-HALF, HALF + 1) for k in range(2))
        return torch.from_numpy(self.out[rows.transpose(0, 2, 1), cols]).flatten(1)

    def _next(self) -> tuple[int, int]:
        """Return the place at the border of the rest with the most known around it."""
        border = np.argwhere(self.rest & ndimage.binary_dilation(self.known))
        if not len(border):
            border = np.argwhere(self.rest)
        surest = ndimage.uniform_filter(self.confidence, 2 * HALF + 1)
        return tuple(border[surest[tuple(border.T)].argmax()])

    def _cost(self, row: int, col: int) -> Tensor:
        """Return how far each place (K,) is from what is known around a pixel, and from the smooth fill there."""
        window, inner = _window(row, col, len(self.out))
        known = self.known[window][..., None]
        target, weight = (torch.zeros(2 * HALF + 1, 2 * HALF + 1, 3) for _ in range(2))
        target[inner] = torch.from_numpy(self.out[window] * known)
        weight[inner] = torch.from_numpy(known.astype(np.float32)).expand(-1, -1, 3)
        target, weight = target.flatten(), weight.flatten()
        error = (self.squares @ weight - 2 * self.patches @ target + target @ target) / weight.sum().clamp_min(1)
        away = torch.from_numpy(np.linalg.norm(self.places - (row, col), axis=1)).float() / len(self.out)
        aside = (self.means - torch.from_numpy(self.smooth[row, col])).square().mean(1)
        return error + SMOOTH * aside + NEAREST * away + USED * self.used

    def _fill(self, row: int, col: int, place: int) -> None:
        """Copy what is not known around a pixel from a place."""
        window, inner = _window(row, col, len(self.out))
        new = self.rest[window].copy()
        self.out[window][new] = self.patches[place].view(2 * HALF + 1, 2 * HALF + 1, 3)[inner].numpy()[new]
        self.confidence[window][new] = self.confidence[window].mean()
        self.known[window] |= new
        self.rest[window] = False
        self.used[place] += 1


def _window(row: int, col: int, side: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the window of a patch in the image, and that window in the patch."""
    spans = [(max(0, c - HALF), min(side, c + HALF + 1), c) for c in (row, col)]
    window = tuple(slice(low, high) for low, high, _ in spans)
    return window, tuple(slice(low - c + HALF, high - c + HALF) for low, high, c in spans)
