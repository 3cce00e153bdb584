"""The face of a subject that is seen from the front: two eyes side by side, in the middle of the silhouette there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

UPPER = 0.6  # of the subject's height, from the top: eyes are there
LEVEL = 0.25  # largest difference in height of two eyes, in their distance
DISTANCE = (0.12, 0.75)  # distance of two eyes, shares of the silhouette's width there
LEAST_DISTANCE = 1.2  # the same in roots of their area
MIDDLE = 0.16  # how far from the middle of the silhouette two eyes are together, share of its width there
ALIKE = 1.8  # by which factor the areas of two eyes differ at most
ABOVE, BELOW, ASIDE = 1.3, 2.0, 1.6  # reach of a face from between its eyes, in their distance


@dataclass(frozen=True)
class Face:
    """Where a face is."""

    middle: tuple[float, float]  # row and column between the eyes, pixels
    distance: float  # of the eyes, pixels

    def holds(self, row: float, column: float) -> bool:
        """Check whether a place is on the face."""
        down, right = (row - self.middle[0]) / self.distance, (column - self.middle[1]) / self.distance
        return -ABOVE <= down <= BELOW and abs(right) <= ASIDE


def find_face(inside: np.ndarray, candidates: np.ndarray) -> Face | None:  # (S, S) bool, (K, 3) row, column and area
    """Find the largest pair of eyes among dark spots; None: the subject is not seen from its front."""
    rows = np.nonzero(inside.any(1))[0]
    lowest = rows[0] + UPPER * (rows[-1] - rows[0])
    best, face = 0.0, None
    for i, one in enumerate(candidates):
        for other in candidates[i + 1 :]:
            area = min(one[2], other[2])
            middle = (one[:2] + other[:2]) / 2
            if area > best and middle[0] <= lowest and _are_eyes(inside, one, other, middle):
                best, face = area, Face((float(middle[0]), float(middle[1])), float(abs(one[1] - other[1])))
    return face


def _are_eyes(inside: np.ndarray, one: np.ndarray, other: np.ndarray, middle: np.ndarray) -> bool:
    """Check that two spots are alike, level, apart, and on both sides of the silhouette's middle."""
    down, across = abs(one[0] - other[0]), abs(one[1] - other[1])
    smaller, larger = sorted((one[2], other[2]))
    if down > LEVEL * across or larger > ALIKE * smaller or across < LEAST_DISTANCE * larger**0.5:
        return False
    runs = label(inside[round(middle[0])])[0]
    run = np.nonzero(runs == runs[round(middle[1])])[0]
    if not runs[round(middle[1])] or not run[0] <= min(one[1], other[1]) <= max(one[1], other[1]) <= run[-1]:
        return False
    width = run[-1] - run[0] + 1
    is_central = abs(middle[1] - (run[0] + run[-1]) / 2) <= MIDDLE * width
    return bool(is_central and DISTANCE[0] <= across / width <= DISTANCE[1])
