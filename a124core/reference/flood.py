"""The subject as what a flood from the border through the background and its soft shadows does not reach."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .background import Background

NEAR = 4.0  # units of noise: nearer than that is background
FAR = 2.0  # times NEAR: a part of the subject has pixels farther than that
FAR_SHARE = 0.02  # of a part's pixels
DARKEST = 0.2  # brightness that a shadow leaves, share of the background's
SOFT = 12.0  # change of brightness along the longer side that a shadow's edge has at most: of all in a twelfth
RIM = 3  # pixels by which the flood then enters edges that a shadow could have
CAST_SPREAD = 0.02  # standard deviation of brightness in a shadow with a sharp edge
SMALLEST_SHADOW = 2e-3  # its area, share of the image
REMAINING = 0.4  # of the subject that must remain without such shadows: else it is a grey subject
SMALLEST_PART = 0.05  # area of a part of the subject, share of the largest part's
SMALLEST_HOLE = 2e-4  # area of a hole, share of the image
HOLE_NEAR = 0.5  # share of a hole's pixels that are background
HOLE_BIAS = 1.0  # units of noise: mean difference of a hole from the background that is seen through it


def flooded_subject(image: np.ndarray, background: Background, factor: float, shadows: bool) -> np.ndarray:
    """Return the subject (H, W) bool in an image (H, W, 3), without specks; factor scales the distances, shadows are
    counted as background or not."""
    distance = background.distance(image)
    near = distance < NEAR * factor
    ratio = _brightness(image, background)
    shaded = _is_shaded(image, background, ratio, NEAR * factor) if shadows else near
    passable = near | (shaded & (_slope(ratio) < SOFT))
    labels, count = ndimage.label(ndimage.binary_erosion(passable, np.ones((3, 3)), border_value=1))  # bridges gaps
    ends = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    reached = np.isin(labels, ends[ends > 0])
    if count:
        reached |= _holes(labels, count, (image - background.colours) @ background.whitening, near)
        if shadows:
            cast = _cast_shadows(labels, count, ratio)
            reached |= cast if (~(reached | cast)).sum() > REMAINING * (~reached).sum() else False
    reached = ndimage.binary_dilation(reached, iterations=RIM, mask=near | shaded)
    return _large_parts(~reached, distance > FAR * NEAR * factor)


def _brightness(image: np.ndarray, background: Background) -> np.ndarray:
    """Return each pixel's brightness as a share of the background's there."""
    behind = background.colours
    return (image * behind).sum(-1) / np.maximum((behind**2).sum(-1), 1e-4)


def _is_shaded(image: np.ndarray, background: Background, ratio: np.ndarray, most: float) -> np.ndarray:
    """Mark pixels that are darker than the background and of its colour, to so many units of noise."""
    tint = np.linalg.norm((image - ratio[..., None] * background.colours) @ background.whitening, axis=-1)
    return (ratio > DARKEST) & (ratio < 1.0) & (tint < most)


def _slope(ratio: np.ndarray) -> np.ndarray:
    """Return how fast brightness changes, along the image's longer side."""
    return np.hypot(ndimage.sobel(ratio, 0), ndimage.sobel(ratio, 1)) / 8 * max(ratio.shape)


def _cast_shadows(labels: np.ndarray, count: int, ratio: np.ndarray) -> np.ndarray:
    """Mark parts that are darker than the background by one factor, as a shadow with a sharp edge is."""
    areas = np.maximum(np.bincount(labels.ravel(), minlength=count + 1), 1)
    mean, square = (np.bincount(labels.ravel(), (ratio**n).ravel(), count + 1) / areas for n in (1, 2))
    flat = (square - mean**2 < CAST_SPREAD**2) & (areas > SMALLEST_SHADOW * labels.size)
    flat[0] = False
    return flat[labels]


def _holes(labels: np.ndarray, count: int, difference: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Mark passable parts, those inside the subject among them, through which the background itself is seen."""
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    inside = np.where(near, labels, 0).ravel()
    nears = np.maximum(np.bincount(inside, minlength=count + 1), 1)
    means = [np.bincount(inside, difference[..., k].ravel(), count + 1) / nears for k in range(3)]
    bias = np.linalg.norm(means, axis=0)
    hole = (areas > SMALLEST_HOLE * labels.size) & (nears > HOLE_NEAR * areas) & (bias < HOLE_BIAS)
    hole[0] = False
    return hole[labels]


def _large_parts(subject: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Keep the parts that are far from the background somewhere and not small beside the largest."""
    labels, count = ndimage.label(subject, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[0] = 0
    fars = np.bincount(labels.ravel(), far.ravel(), count + 1)
    areas = np.where(fars > FAR_SHARE * areas, areas, 0)
    return ((areas >= SMALLEST_PART * areas.max()) & (areas > 0))[labels]
