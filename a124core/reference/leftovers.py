"""What a cut-out should not hold: specks beside the subject."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from torch import Tensor, from_numpy

SPECK = 0.004  # area of a speck, share of the largest part's at most


def find_specks(mask: Tensor) -> list[np.ndarray]:  # (1, 1, H, W) -> (H, W) bool each
    """Return the parts of a mask that are tiny beside its largest."""
    labels, count = ndimage.label(mask[0, 0].numpy() > 0.5, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return [labels == k + 1 for k in np.nonzero(areas < SPECK * areas.max(initial=0))[0]]


def without_specks(mask: Tensor) -> tuple[Tensor, str]:  # (1, 1, H, W) of 0 and 1
    """Return a mask without its specks, and a note ("": none)."""
    specks = find_specks(mask)
    if not specks:
        return mask, ""
    clean = mask.clone()
    clean[0, 0][from_numpy(np.any(specks, axis=0))] = 0
    return clean, f", without {'a speck' if len(specks) == 1 else f'{len(specks)} specks'} beside it"
