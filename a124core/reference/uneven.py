"""Cut a subject out of a background that is not plain but varies smoothly, or find that this is not certain."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .background import Background, border_ring, fit_background
from .edge import sharp_share, soft_edge
from .flood import flooded_subject
from .layers import resize

SIDE = 512  # pixels, at which the subject is searched; its edge is refined in the whole image
RING_DEGREE, DEGREE = 2, 4  # of the background's polynomials: of the border alone, then of all background
ROUNDS = 2  # of fitting to what the last flood reached
FACTORS = (0.4, 0.65, 1.0, 1.6, 2.5, 4.0)  # of the distances that part background from subject
ORDER = (2, 1, 3, 4)  # in which they are tried, each compared with its neighbours
PREFERENCE = 0.04  # by how much a later one must be better
SURE = 0.93  # from there no other is tried
CERTAIN = 0.75  # overlap with the subjects of neighbouring factors, times the share of the outline that is sharp
BORDER_SHARE = 0.55  # of the border that must fit the background's model
MOST_NOISE = 0.06  # standard deviation of the background
MOST_BORDER = 0.45  # of the border that a subject covers
LARGEST, SMALLEST = 0.8, 5e-4  # share of the image that a subject covers


def cut_from_uneven(image: Tensor) -> Tensor | None:  # (1, 3, H, W) in [0, 1] -> (1, 1, H, W) soft
    """Return the subject's mask; None where there is no background of one kind or no subject that is certain."""
    small = _small(image)
    subject = _search(small)
    if subject is None:
        return None
    mask = torch.from_numpy(subject)[None, None].float()
    whole = resize(mask, image.shape[-2:])[0, 0].numpy() > 0.5
    edge = soft_edge(image[0].permute(1, 2, 0).double().numpy(), whole)
    return torch.from_numpy(edge)[None, None].float()


def _small(image: Tensor) -> np.ndarray:  # (1, 3, H, W) -> (h, w, 3)
    """Reduce the image to SIDE and soften its noise."""
    from scipy.ndimage import gaussian_filter

    scale = SIDE / max(image.shape[-2:])
    if scale < 1:
        image = resize(image, tuple(max(1, round(n * scale)) for n in image.shape[-2:]))
    return gaussian_filter(image[0].permute(1, 2, 0).double().numpy(), (0.7, 0.7, 0))


def _search(image: np.ndarray) -> np.ndarray | None:  # (H, W, 3) -> (H, W) bool
    """Fit the background to the border, then to all that the flood reaches, and take the best subject."""
    ring = border_ring(*image.shape[:2])
    background = fit_background(image, ring, RING_DEGREE)
    if background.share < BORDER_SHARE:
        return None
    for _ in range(ROUNDS):
        reached = ~flooded_subject(image, background, 1.0, True)
        if reached.mean() < 1 - LARGEST:
            return None
        background = fit_background(image, reached, DEGREE)
    if background.noise > MOST_NOISE:
        return None
    subject, score = _best_subject(image, background)
    plausible = SMALLEST <= subject.mean() <= LARGEST and subject[ring].mean() <= MOST_BORDER
    return subject if score >= CERTAIN and plausible else None


def _best_subject(image: np.ndarray, background: Background) -> tuple[np.ndarray, float]:
    """Return the subject whose outline is sharpest and moves least with the factor, and that score in [0, 1]."""
    best, highest = np.zeros(image.shape[:2], dtype=bool), 0.0
    distance = background.distance(image)
    for shadows in (True, False):
        subjects = [flooded_subject(image, background, factor, shadows) for factor in FACTORS]
        for k in ORDER:
            steady = min(_overlap(subjects[k], subjects[k + 1]), _overlap(subjects[k], subjects[k - 1]))
            score = steady * sharp_share(distance, subjects[k])
            if score > highest + PREFERENCE:
                best, highest = subjects[k], score
            if highest > SURE:
                return best, highest
    return best, highest


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))
