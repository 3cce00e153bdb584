"""Markings of a coat: regions that edges part from all that the outline reaches, as a belly or a muzzle is."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

EDGE = 2.0  # pixels; standard deviation of the blur under which edges are found
EDGES = (1.5, 2.0, 3.0, 4.0)  # thresholds of an edge's slope, in units of the subject's median slope
FAINTEST = 0.02  # least slope of an edge, a pixel
OUTLINE = 0.03  # share of the root of the subject's area: what is so near to the outline is the coat's
TOUCHING = 0.12  # share of its border along which a marking may lie at the outline
LINK = 0.012  # share of the image's side: half the width of links that part markings from what they touch
DISTINCT = 0.1  # least colour difference of a marking to what is around it
AROUND = 0.035  # share of the image's side that counts as around
LARGEST = 0.55  # share of the subject's area in a marking
MOST, ALIKE = 8, 2.5  # markings of one size, whose areas differ by that factor at most; more are a pattern of spots
COMPACT = 0.25  # least area of a marking over its extent squared; a stripe has less
ELSEWHERE = 1.0  # area of the coat in a marking's own colour, against the marking's, from which it is a pattern's


def find_markings(image: np.ndarray, inside: np.ndarray) -> np.ndarray:  # (S, S, 3), (S, S) bool -> (S, S) bool
    """Mark the regions inside a subject that no way of even colour joins to its outline."""
    slope = _slope(image, inside)
    usual = float(np.median(slope[inside]))
    depth = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
    band = inside & (depth <= max(2.0, OUTLINE * inside.sum() ** 0.5))
    marked = np.zeros_like(inside)
    for edge in EDGES:
        regions = _separate_regions(inside, band, slope < max(FAINTEST, edge * usual))
        areas = np.array([region.sum() for region in regions])
        coat = inside & ~np.any([np.zeros_like(inside), *regions], axis=0)
        for region, area in zip(regions, areas, strict=True):
            alike = (areas < ALIKE * area) & (areas > area / ALIKE)
            is_one = alike.sum() <= MOST and area <= LARGEST * inside.sum()
            if is_one and _differs(image, region, coat):
                marked |= region
    return marked


def _slope(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the length of the colours' gradient (S, S), without the edge to the background."""
    row, col = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    channels = np.moveaxis(image[row, col], -1, 0)
    return np.sqrt(sum(ndimage.gaussian_gradient_magnitude(channel, EDGE) ** 2 for channel in channels))


def _separate_regions(inside: np.ndarray, band: np.ndarray, even: np.ndarray) -> list[np.ndarray]:
    """Return the regions, their holes filled, that even colours do not join to the outline's band."""
    link = disc(LINK * len(inside))
    labels = ndimage.label(even & inside)[0]
    coat = np.isin(labels, np.setdiff1d(labels[band], [0]))
    rest = ndimage.binary_opening(inside & ~ndimage.binary_dilation(coat, link), link)
    labels, count = ndimage.label(rest)
    borders = np.where(rest & ~ndimage.binary_erosion(rest), labels, 0)
    lengths, touching = (np.bincount(x.ravel(), minlength=count + 1)[1:] for x in (borders, np.where(band, borders, 0)))
    reach = disc(EDGE + LINK * len(inside))
    wider = [ndimage.binary_dilation(labels == k + 1, reach) for k in np.nonzero(touching <= TOUCHING * lengths)[0]]
    regions = [ndimage.binary_fill_holes(region) & inside for region in wider]
    return [region for region in regions if region.sum() > COMPACT * np.ptp(np.argwhere(region), axis=0).max() ** 2]


def _differs(image: np.ndarray, region: np.ndarray, coat: np.ndarray) -> bool:
    """Check that a region's colour is not that of the coat around it, nor of as much of the coat elsewhere."""
    around = coat & ndimage.binary_dilation(region, iterations=max(2, round(AROUND * len(region))))
    colour = np.median(image[region], axis=0)
    alike = np.abs(image - colour).max(-1) < DISTINCT
    own = (alike & region).sum()
    return bool(around.any() and np.abs(image[around].mean(0) - image[region].mean(0)).max() > DISTINCT
                and (alike & coat).sum() < ELSEWHERE * own)


def disc(radius: float) -> np.ndarray:
    """Return a disc of pixels as a structuring element."""
    reach = np.arange(-int(radius), int(radius) + 1)
    return reach[:, None] ** 2 + reach**2 <= radius**2
