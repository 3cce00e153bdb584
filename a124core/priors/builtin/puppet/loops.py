"""Loops of a silhouette that a limb makes with the body: a hand on a hip, a tail that touches a leg.

Around such a loop runs a thin segment and a thick one. The thin segment is cut free at a narrow and low
place near its end, as arms hang from shoulders and tails are joined above what they touch.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter, label

EVEN = 1.5  # cells; standard deviation of the blur by which a hole's border has directions
EIGHT = np.ones((3, 3), int)
MOST = 5  # holes; more are spokes or leaves
SMALLEST = 2  # cells of a hole
USUAL = 0.3  # quantile of the widths around a loop that is usual for its thin segment
THIN, UNEVEN = 0.95, 1.6  # a thin segment's largest width: in radii of the body, and in its usual width
CONTRAST = 1.7  # least ratio of the thick segment's width to the usual one
TOUCH = 2.5  # cells; width of a mere contact
LENGTH = 1.2  # least length of a thin segment, in its widths
CUT = 0.8  # cells: half width of a cut


def open_loops(inside: np.ndarray, root: np.ndarray, radius: float) -> np.ndarray:  # (H, W) bool, (2,) x and y
    """Return a silhouette of one piece without the cells in which a limb touches it; root and radius are its body's."""
    holes, count = label(~np.pad(inside, 1))
    holes = np.where(holes == holes[0, 0], 0, holes)[1:-1, 1:-1]
    opened = inside.copy()
    if count > MOST + 1:
        return opened
    for k in range(1, count + 1):
        if (holes == k).sum() < SMALLEST:
            continue
        cut = _cut(opened, holes == k, root, radius)
        if cut is not None and label(opened & ~cut, EIGHT)[1] == 1:
            opened &= ~cut
    return opened


def _cut(inside: np.ndarray, hole: np.ndarray, root: np.ndarray, radius: float) -> np.ndarray | None:
    """Return the cells (H, W) across the lower end of the thin segment around a hole; None without such a segment."""
    row, col = np.nonzero(binary_dilation(hole, EIGHT) & inside)
    middle = np.argwhere(hole).mean(0)
    order = np.argsort(np.arctan2(row - middle[0], col - middle[1]))
    row, col = row[order], col[order]
    width, direction = _widths(inside, hole, np.stack((row, col), 1), 4 * radius)
    at = _contact(width, row, radius)
    if at is None:
        return None
    start = np.array((row[at], col[at])) - 0.7 * direction[at]
    return inside & _near_line(inside.shape, start, start + (width[at] + 1.4) * direction[at])


def _widths(inside: np.ndarray, hole: np.ndarray, cells: np.ndarray, most: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how wide the silhouette is beside each cell (N, 2) of a hole's border, straight away from it, and the unit
    directions (N, 2)."""
    away = np.stack(np.gradient(-gaussian_filter(hole.astype(float), EVEN)), -1)[tuple(cells.T)]
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    steps = np.arange(0.5, most, 0.5)
    at = np.rint(cells[:, None] + steps[:, None] * away[:, None]).astype(int)
    held = np.pad(inside, 1)[tuple((at.clip(-1, np.array(inside.shape)) + 1).transpose(2, 0, 1))]
    held[:, -1] = False
    return steps[held.argmin(1)], away


def _contact(width: np.ndarray, row: np.ndarray, radius: float) -> int | None:
    """Return which of a hole's border cells (N,) in their order is beside a contact; None: none is."""
    usual = np.quantile(width, USUAL)
    if width.min() <= TOUCH and usual >= CONTRAST * width.min():
        return int(width.argmin())
    thin = width <= min(THIN * radius, UNEVEN * usual)
    if thin.all() or not thin.any() or width.max() < CONTRAST * usual:
        return None
    segment = _longest_run(thin)
    if len(segment) < LENGTH * np.median(width[segment]):
        return None
    return int(segment[_cost(width[segment], row[segment]).argmin()])


def _cost(width: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Return how unlikely each place of a segment (N,) is a contact: those are narrow, low, and at an end."""
    count, high = len(width), row.max() - row
    inner = np.minimum(np.arange(count), np.arange(count)[::-1]) / count
    return width / np.median(width) + high / max(high.max(), 1) + inner


def _longest_run(flags: np.ndarray) -> np.ndarray:
    """Return the indices of the longest run of a ring of flags, of which not all are set."""
    start = int(flags.argmin())
    turned = np.roll(flags, -start)
    labels, count = label(turned)
    longest = np.bincount(labels, minlength=count + 1)[1:].argmax() + 1
    return (np.nonzero(labels == longest)[0] + start) % len(flags)


def _near_line(shape: tuple[int, ...], start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Mark the cells whose middles are near to the line between two cells (row, column)."""
    at = np.moveaxis(np.indices(shape), 0, -1) - start
    along = end - start
    share = np.clip((at @ along) / max(along @ along, 1e-6), 0, 1)
    return np.linalg.norm(at - share[..., None] * along, axis=-1) <= CUT
