"""A back for a picture: its front seen through, without the details that make a face."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import interpolate

from ....reference.layers import fill_outwards, resize

SIDE = 256  # pixels at which details are searched and replaced
WIDEST, LONGEST = 0.36, 0.45  # extent of a detail, and of a thin one, shares of the root of the subject's area
THIN = 0.06  # area of a thin detail over its extent, share of the same
SMALLEST = 1e-3  # area of a detail by which others are found, share of the subject's
MOST, ALIKE = 8, 2.5  # details of one kind, whose areas differ by that factor at most; more are a pattern of spots
COMPACT = 0.25  # area of a detail over its extent squared; a piece of a stripe has less
HOLDER, HELD = 0.5, 0.04  # extent of what may hold details, like WIDEST, and the share of it that they cover
RING, DISTINCT = (3, 9), 0.8  # pixels: inner and outer width of what is around a part, and the share that must differ
OUTLINE = 0.03  # share of the root of the area: what comes nearer to the outline is a part or a marking
CONTRASTS = (2.0, 2.7, 3.6, 5.0, 7.0)  # thresholds, in units of the subject's own median contrast
FAINTEST, STEP = 0.06, 0.6  # least contrast, and least difference from what is next to it, share of the threshold
DARKEST = 0.25  # brightness: a face has details that are darker somewhere; highlights and sprinkles stay on the back
TARGET, STRONGEST = 0.7, 2.2  # contrast of the back's texture against the front's, and the largest gain towards it
GRAIN, RIM = 1 / 64, 1 / 32  # shares of the side: what is finer than that blur is texture; an outline that is left out
FINE = 1.0  # pixels; standard deviation of the blur under which texture vanishes and details stay
AROUND = 0.06  # standard deviation of the surroundings that a detail is compared with, share of the image's side
NEAR = 0.25  # share of the root of the area: what is so near to details belongs to them, mouths for one
SPREAD, JOINED = 0.014, 0.03  # shares of the image's side: how much wider details are removed, and gaps between them
TEXTURE = 0.02  # standard deviation of the blur that parts texture from colour, share of the image's side
TILE = 18  # pixels a side of the tiles of texture
PLACES = 7  # every so many places are compared
USUAL = 0.1  # quantile of the tiles' contrast that is wanted: texture, not an edge
AWAY = 0.05  # colour difference that counts as much as a distance of the image's side


def back_colours(image: Tensor, inside: Tensor) -> Tensor:  # (1, 3, S, S), (1, 1, S, S) of 0 and 1 -> (1, 3, S, S)
    """Replace the details of a face by the texture around; everything else of the front is seen from behind, too."""
    small = resize(image, (SIDE, SIDE))
    mask = (resize(inside, (SIDE, SIDE)) > 0.5)[0, 0].numpy()
    details = find_details(small[0].permute(1, 2, 0).numpy(), mask)
    if not details.any() or not (details & (small[0].mean(0).numpy() < DARKEST)).any():
        return image
    healed = torch.from_numpy(heal(small[0].permute(1, 2, 0).numpy(), details, mask)).permute(2, 0, 1)[None]
    soft = torch.from_numpy(ndimage.gaussian_filter(details.astype(np.float32), 1.0)).clamp(0, 0.5) * 2
    healed, soft = (
        interpolate(x, image.shape[-2:], mode="bilinear", align_corners=False) for x in (healed, soft[None, None])
    )
    return torch.lerp(image, healed, soft)


def strengthened(back: Tensor, front: Tensor, inside: Tensor) -> Tensor:  # (1, 3, S, S) twice, (1, 1, S, S) of 0 and 1
    """Raise the contrast of a back's fine texture towards the front's, which has a face's besides."""
    mask = inside[0, 0].numpy() > 0.5
    side = len(mask)
    deep = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1] > RIM * side
    if not deep.any():
        return back
    low = np.stack([masked_gaussian(channel.numpy(), mask, GRAIN * side) for channel in back[0]])
    fine = back[0].numpy() - low
    grey = front[0].mean(0).numpy()
    target = TARGET * (grey - masked_gaussian(grey, mask, GRAIN * side))[deep].std()
    gain = float(np.clip(target / max(fine.mean(0)[deep].std(), 1e-4), 1.0, STRONGEST))
    if gain == 1.0:
        return back
    return torch.from_numpy(np.where(mask, low + gain * fine, back[0].numpy()).clip(0, 1).astype(np.float32))[None]


def find_details(image: np.ndarray, inside: np.ndarray) -> np.ndarray:  # (S, S, 3), (S, S) bool -> (S, S) bool
    """Mark small, isolated regions of high contrast inside a subject, eyes, noses, mouths, letters, buttons, what of a
    pattern is near them, and larger regions that hold them: a muzzle."""
    side, size = len(image), inside.sum() ** 0.5
    red, green, blue = np.moveaxis(image, -1, 0)
    deep = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] > OUTLINE * size
    levels = []
    details = np.zeros_like(inside)
    for channel in ((red + green + blue) / 3, red - blue, green - (red + blue) / 2):
        fine = masked_gaussian(channel, inside, FINE)
        contrast = fine - masked_gaussian(channel, inside, AROUND * side)
        usual = np.median(np.abs(contrast[inside])) + 1e-6
        thresholds = [max(FAINTEST, threshold * usual) for threshold in CONTRASTS]
        for sign in (1, -1):
            same = [_Parts(sign * contrast > t, sign * fine, (inside, deep), t * STEP) for t in thresholds]
            details |= np.any([level.marked(level.compact & ~level.pattern(same)) for level in same], axis=0)
            levels += same
    if not details.any():
        return details
    near = ndimage.distance_transform_edt(~details) < NEAR * size
    details = np.any([details, *(level.marked(level.small & (level.share(near) > 0.5)) for level in levels)], axis=0)
    held = [level.marked(level.large & level.holding(details)) for level in levels]
    return _joined(np.any([details, *held], axis=0), inside)


class _Parts:
    """The connected parts of a region, and which of them are details."""

    def __init__(self, region: np.ndarray, channel: np.ndarray, places: tuple[np.ndarray, np.ndarray], step: float):
        inside, deep = places  # where the subject is, and where that is not next to its outline
        self.labels, self.count = ndimage.label(region & inside, np.ones((3, 3)))
        inner, outer = (ndimage.grey_dilation(self.labels, (width, width)) for width in RING)
        ring = np.where((inner > 0) | ~inside, 0, outer)
        self.areas = self._sums(self.labels, np.ones_like(channel))
        within = self._sums(self.labels, channel) / np.maximum(self.areas, 1)
        lower = channel < np.concatenate(([0.0], within))[ring] - max(FAINTEST, step)
        distinct = self._sums(ring, lower) / np.maximum(self._sums(ring, np.ones_like(channel)), 1)
        isolated = (distinct > DISTINCT) & (self.areas > 2) & (self.share(deep) == 1)
        size = inside.sum() ** 0.5
        boxes = ndimage.find_objects(self.labels)
        extents = np.array([max(s.stop - s.start for s in box) for box in boxes], dtype=float) / size
        thin = (extents < LONGEST) & (self.areas < THIN * size**2 * extents)
        self.small = isolated & ((extents < WIDEST) | thin)
        self.compact = isolated & (extents < WIDEST) & (self.areas > COMPACT * (size * extents) ** 2)
        self.compact &= self.areas > SMALLEST * size**2
        self.large = isolated & (extents >= WIDEST) & (extents < HOLDER)

    def _sums(self, labels: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), values.ravel().astype(float), self.count + 1)[1:]

    def marked(self, chosen: np.ndarray) -> np.ndarray:
        """Return the pixels of the chosen parts, their holes filled."""
        pixels = np.concatenate(([False], chosen))[self.labels]
        return ndimage.binary_fill_holes(pixels) if chosen.any() else pixels

    def share(self, region: np.ndarray) -> np.ndarray:
        """Return the share of each part that lies in a region."""
        return self._sums(self.labels, region) / np.maximum(self.areas, 1)

    def pattern(self, levels: list[_Parts]) -> np.ndarray:
        """Test which parts have more of their size beside them, at any of the thresholds, than a face has details."""
        counts = np.zeros(self.count)
        for level in levels:
            ratio = level.areas[level.compact] / np.maximum(self.areas[:, None], 1)
            counts = np.maximum(counts, ((ratio < ALIKE) & (ratio > 1 / ALIKE)).sum(1))
        return counts > MOST

    def holding(self, details: np.ndarray) -> np.ndarray:
        """Test which parts surround details that cover a good share of them."""
        held = np.zeros(self.count)
        for k in np.nonzero(self.large)[0]:
            filled = _closed(self.labels == k + 1)
            held[k] = (filled & details & (self.labels != k + 1)).sum() / filled.sum()
        return held > HELD


def _joined(details: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Widen details, and close the gaps and holes between them."""
    return ndimage.binary_dilation(_closed(details), _disc(SPREAD * len(details))) & inside


def _closed(region: np.ndarray) -> np.ndarray:
    """Close the gaps and holes of a region."""
    gap = _disc(JOINED * len(region))
    return ndimage.binary_fill_holes(ndimage.binary_erosion(ndimage.binary_dilation(region, gap), gap, border_value=1))


def _disc(radius: float) -> np.ndarray:
    reach = np.arange(-int(radius), int(radius) + 1)
    return reach[:, None] ** 2 + reach**2 <= radius**2


def masked_gaussian(image: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:  # (S, S), (S, S) bool
    """Blur a channel inside a mask alone."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(mask, image, 0.0).astype(np.float32), sigma) / np.maximum(weight, 1e-6)


def heal(image: np.ndarray, details: np.ndarray, inside: np.ndarray) -> np.ndarray:  # (S, S, 3), (S, S) bool twice
    """Fill a region with the colours around it, and tile by tile with texture from places of the same colour."""
    known = inside & ~details
    if not known.any():
        return image
    layers = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    smooth = fill_outwards(layers, torch.from_numpy(known)[None, None].float())[0].permute(1, 2, 0).numpy()
    low = np.stack([masked_gaussian(smooth[..., k], inside, TEXTURE * len(image)) for k in range(3)], -1)
    texture, out = smooth - low, np.where(details[..., None], low, image)
    places = np.argwhere(ndimage.minimum_filter(known, TILE, mode="constant"))[::PLACES]
    if not len(places):
        return out
    means, squares = (ndimage.uniform_filter(x, (TILE, TILE, 0)) for x in (smooth, texture**2))
    contrast = np.sqrt(squares.mean(-1).clip(0))[tuple(places.T)]
    unusual = np.abs(contrast - np.quantile(contrast, USUAL))
    for top in range(0, len(image), TILE):
        for left in range(0, len(image), TILE):
            rows, columns = np.nonzero(details[top : top + TILE, left : left + TILE])
            if not len(rows):
                continue
            colour = low[rows + top, columns + left].mean(0)
            away = np.linalg.norm(places - (top + TILE // 2, left + TILE // 2), axis=1) / len(image)
            score = np.abs(means[tuple(places.T)] - colour).mean(-1) + unusual + AWAY * away
            down, right = places[score.argmin()] - TILE // 2
            out[rows + top, columns + left] += texture[rows + down, columns + right]
    return out.clip(0, 1)
