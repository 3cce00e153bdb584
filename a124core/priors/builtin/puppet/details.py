"""Details of a front that its back has not: those of a face, and in front views the markings of belly and muzzle."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .face import find_face
from .markings import disc, find_markings

WIDEST, LONGEST = 0.36, 0.45  # extent of a detail, and of a thin one, shares of the root of the subject's area
THIN = 0.06  # area of a thin detail over its extent, share of the same
SMALLEST = 1e-3  # area of a detail by which others are found, share of the subject's
MOST, ALIKE = 8, 2.5  # details of one kind, whose areas differ by that factor at most; more are a pattern of spots
COMPACT = 0.25  # area of a detail over its extent squared; a piece of a stripe has less
RING, DISTINCT = (3, 9), 0.8  # pixels: inner and outer width of what is around a part, and the share that must differ
OUTLINE = 0.03  # share of the root of the area: what comes nearer to the outline is a part or a marking
CONTRASTS = (2.0, 2.7, 3.6, 5.0, 7.0)  # thresholds, in units of the subject's own median contrast
FAINTEST, STEP = 0.06, 0.6  # least contrast, and least difference from what is next to it, share of the threshold
DARKEST = 0.2  # brightness: nostrils and sound holes are darker; highlights and sprinkles stay on the back
PUPIL = 0.35  # the same of eyes, which must be a pair as well
DEEP = 0.3  # least depth of such a detail inside the outline, share of the deepest place's: a peg is no eye
DARK = 0.04  # least share of such a detail that is so dark
FINE = 1.0  # pixels; standard deviation of the blur under which texture vanishes and details stay
SHARP = 0.6  # pixels; the same under which a pupil stays dark
AROUND = 0.06  # standard deviation of the surroundings that a detail is compared with, share of the image's side
NEAR = 0.25  # share of the root of the area: what is so near to details belongs to them, mouths for one
SPREAD, JOINED = 0.014, 0.03  # shares of the image's side: how much wider details are removed, and gaps between them


def find_details(image: np.ndarray, inside: np.ndarray) -> np.ndarray:  # (S, S, 3), (S, S) bool -> (S, S) bool
    """Mark small, isolated regions of high contrast that belong to a face, or lie near to dark ones where no face is
    seen from its front: eyes, noses, mouths, letters, buttons. In front of a face's body, its markings as well."""
    levels = _levels(image, inside)
    dark = _dark_places(levels, image, inside)
    pupils = masked_gaussian(image.mean(-1), inside, SHARP)
    face = find_face(inside, np.concatenate([level.dark(pupils, PUPIL) for level in levels]))
    if face is None and not len(dark):
        return np.zeros_like(inside)
    size = inside.sum() ** 0.5
    labels, count = ndimage.label(_all_details(levels, size), np.ones((3, 3)))
    middles = np.array(ndimage.center_of_mass(labels > 0, labels, range(1, count + 1)))
    if face is None:
        chosen = np.linalg.norm(middles[:, None] - dark[None], axis=-1).min(1) < NEAR * size
        return _joined(np.concatenate(([False], chosen))[labels], inside)
    chosen = np.array([face.holds(*middle) for middle in middles])
    return _joined(np.concatenate(([False], chosen))[labels], inside) | find_markings(image, inside)


def _dark_places(levels: list[_Parts], image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return rows and columns (K, 2) of the compact parts that are dark somewhere and not in a thin end."""
    soft = masked_gaussian(image.mean(-1), inside, FINE)
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    places = np.concatenate([level.dark(soft, DARKEST)[:, :2] for level in levels])
    return places[depth[tuple(places.round().astype(int).T)] > DEEP * depth.max()]


def _all_details(levels: list[_Parts], size: float) -> np.ndarray:
    """Mark compact parts and small ones near to them (S, S)."""
    details = np.any([level.marked(level.compact) for level in levels], axis=0)
    near = ndimage.distance_transform_edt(~details) < NEAR * size
    return np.any([details, *(level.marked(level.small & (level.share(near) > 0.5)) for level in levels)], axis=0)


def _levels(image: np.ndarray, inside: np.ndarray) -> list[_Parts]:
    """Return the parts that stand out in brightness and in two differences of colours, at several thresholds."""
    side, size = len(image), inside.sum() ** 0.5
    red, green, blue = np.moveaxis(image, -1, 0)
    deep = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] > OUTLINE * size
    levels = []
    for channel in ((red + green + blue) / 3, red - blue, green - (red + blue) / 2):
        fine = masked_gaussian(channel, inside, FINE)
        contrast = fine - masked_gaussian(channel, inside, AROUND * side)
        usual = np.median(np.abs(contrast[inside])) + 1e-6
        thresholds = [max(FAINTEST, threshold * usual) for threshold in CONTRASTS]
        for sign in (1, -1):
            same = [_Parts(sign * contrast > t, sign * fine, (inside, deep), t * STEP) for t in thresholds]
            for level in same:
                level.compact &= ~level.pattern(same)
            levels += same
    return levels


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
        self.boxes = boxes = ndimage.find_objects(self.labels)
        extents = np.array([max(s.stop - s.start for s in box) for box in boxes], dtype=float) / size
        thin = (extents < LONGEST) & (self.areas < THIN * size**2 * extents)
        self.small = isolated & ((extents < WIDEST) | thin)
        self.compact = isolated & (extents < WIDEST) & (self.areas > COMPACT * (size * extents) ** 2)
        self.compact &= self.areas > SMALLEST * size**2

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

    def dark(self, grey: np.ndarray, darkest: float) -> np.ndarray:
        """Return row, column and area (K, 3) of the compact parts, holes filled, that are dark somewhere."""
        places = []
        for k in np.nonzero(self.compact)[0]:
            rows, columns = self.boxes[k]
            filled = ndimage.binary_fill_holes(self.labels[rows, columns] == k + 1)
            if (grey[rows, columns][filled] < darkest).mean() >= DARK:
                places.append((*np.argwhere(filled).mean(0) + (rows.start, columns.start), filled.sum()))
        return np.array(places, dtype=float).reshape(-1, 3)


def _joined(details: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Widen details, and close the gaps and holes between them."""
    return ndimage.binary_dilation(_closed(details), disc(SPREAD * len(details))) & inside


def _closed(region: np.ndarray) -> np.ndarray:
    """Close the gaps and holes of a region."""
    gap = disc(JOINED * len(region))
    return ndimage.binary_fill_holes(ndimage.binary_erosion(ndimage.binary_dilation(region, gap), gap, border_value=1))


def masked_gaussian(image: np.ndarray, mask: np.ndarray, sigma: float) -> np.ndarray:  # (S, S), (S, S) bool
    """Blur a channel inside a mask alone."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma)
    return ndimage.gaussian_filter(np.where(mask, image, 0.0).astype(np.float32), sigma) / np.maximum(weight, 1e-6)
