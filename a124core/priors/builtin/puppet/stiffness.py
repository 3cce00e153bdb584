"""Whether a silhouette is a long thing that leans and is alike on both sides of its axis: a guitar, a pencil, a sword.

Such a thing moves as one piece. What stands upright or lies may as well be a flower or a fish, and bends.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ....reference.layers import resize

SIDE = 96  # cells of the image in which the silhouette is read
LONG = 2.2  # least ratio of its standard deviations along and across its axis
LEAN = (18.0, 72.0)  # degrees of its axis against the horizontal
ALIKE = 0.85  # least share of it that is inside when it is mirrored at its axis


def is_stiff(mask: Tensor) -> bool:  # (1, 1, S, S)
    """Check for a long silhouette that leans and is symmetric about its axis."""
    inside = resize(mask, (SIDE, SIDE))[0, 0].numpy() > 0.4
    cells = np.argwhere(inside).astype(float)
    if len(cells) < 3:
        return False
    middle = cells.mean(0)
    values, axes = np.linalg.eigh(np.cov((cells - middle).T))
    along = axes[:, 1]
    lean = np.degrees(np.arctan2(abs(along[0]), abs(along[1])))
    if values[1] < LONG**2 * max(values[0], 1e-9) or not LEAN[0] <= lean <= LEAN[1]:
        return False
    offset = cells - middle
    mirrored = np.rint(middle + 2 * np.outer(offset @ along, along) - offset).astype(int).clip(0, SIDE - 1)
    return bool(inside[tuple(mirrored.T)].mean() >= ALIKE)
