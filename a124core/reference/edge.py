"""The edge of a mask: whether the image has one there, and how much of each of its pixels the subject covers."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage

from .layers import fill_outwards

OUTER, INNER = 2, 4  # pixels of the edge outside and inside of a mask
PEELED = 8  # pixels inside of a mask that may turn out to be background: JPEG's blocks of colour
PURE = 0.85  # of the largest difference from the background nearby: from there a colour is the subject's own
CONTRAST = 1e-4  # squared difference of the two colours below which nothing can be told
SHARP = 0.15  # of a climb: what its steepest pixel has at least
RIPPLES = 1.5  # times the steepest pixel that is usual in the background, its noise
NEARBY, AROUND = 7, 25  # pixels in which the steepest one and the climb's ends are


def sharp_share(distance: np.ndarray, subject: np.ndarray) -> float:  # (H, W), (H, W) bool
    """Return the share of the outline at which the distance from the background jumps rather than climbs."""
    outline = subject & ~ndimage.binary_erosion(subject, border_value=1)
    if not outline.any():
        return 0.0
    level = ndimage.gaussian_filter(distance, 1.0)
    steepest = ndimage.maximum_filter(ndimage.gaussian_gradient_magnitude(distance, 1.0), NEARBY)
    climb = ndimage.maximum_filter(level, AROUND) - ndimage.minimum_filter(level, AROUND)
    ripple = float(np.median(steepest[~subject])) if not subject.all() else 0.0
    return float((steepest > np.maximum(SHARP * climb, RIPPLES * ripple))[outline].mean())


def soft_edge(image: np.ndarray, subject: np.ndarray) -> np.ndarray:  # (H, W, 3), (H, W) bool -> (H, W) in [0, 1]
    """Return how much of each pixel the subject covers, by its place between the colours on both sides of the edge."""
    outside = ~ndimage.binary_dilation(subject, iterations=OUTER)
    behind = _spread(image, ndimage.binary_erosion(outside, border_value=1))
    difference = np.linalg.norm(image - behind, axis=-1) * subject
    pure = difference >= PURE * ndimage.maximum_filter(difference, 2 * INNER + 1)
    axis = _spread(image, subject & pure) - behind
    contrast = (axis**2).sum(-1)
    coverage = ((image - behind) * axis).sum(-1) / np.maximum(contrast, CONTRAST)
    peeled = ndimage.binary_dilation(outside, iterations=PEELED, mask=(coverage < 0.5) | ~subject)
    inside = ndimage.binary_erosion(subject, iterations=INNER, border_value=1)
    edge = (ndimage.binary_dilation(peeled, iterations=2) | ~inside) & ~outside & (contrast > CONTRAST)
    return np.where(edge, np.clip(coverage, 0.0, 1.0), subject)


def _spread(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the known colours, spread into all other pixels."""
    layers = torch.from_numpy(np.concatenate([image, known[..., None]], axis=-1)).permute(2, 0, 1)[None].float()
    return fill_outwards(layers[:, :3], layers[:, 3:])[0].permute(1, 2, 0).numpy()
