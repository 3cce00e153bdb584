"""The shadow that a drawing casts on a plain floor: an even ellipse of the background's tint, under the subject."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from torch import Tensor, from_numpy

from .layers import border_pixels

DARKEST, LIGHTEST = 0.45, 0.965  # brightness of a shadow, share of the background's
TINT, SPREAD = 0.035, 0.02  # largest difference from the background's tint; standard deviation of the brightness
FLAT = 0.012  # local standard deviation
SMALLEST = 1.5e-3  # area, share of the image
WIDE, WIDTH = 1.8, 0.35  # least width against height, and against the subject's width
LOW = 0.25  # share of the subject's height, from its foot, in which the shadow's middle lies
BEYOND, ROUND = 0.05, 1.06  # share of it that may lie outside the ellipse of its box, a little widened
RIM = 3  # pixels of an edge around it that go with it


def without_shadow(image: Tensor, subject: Tensor) -> tuple[Tensor, str]:  # (1, 3, H, W), (1, 1, H, W) of 0 and 1
    """Return a subject without an even shadow on the floor, and a note ("": none)."""
    colours, inside = image[0].permute(1, 2, 0).double().numpy(), subject[0, 0].numpy() > 0.5
    behind = border_pixels(image).median(dim=1).values.double().numpy()
    ratio = colours @ behind / max(float(behind @ behind), 1e-4)
    tint = np.abs(colours - ratio[..., None] * behind).max(-1)
    mean, square = (ndimage.uniform_filter(ratio**n, 5) for n in (1, 2))
    flat = np.sqrt((square - mean**2).clip(0)) < FLAT
    shaded = inside & (ratio > DARKEST) & (ratio < LIGHTEST) & (tint < TINT)
    labels, count = ndimage.label(shaded & flat)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    chosen = [k for k in range(1, count + 1) if areas[k] >= SMALLEST * inside.size
              and ratio[labels == k].std() < SPREAD and _lies_on_floor(labels == k, inside)]
    if not chosen:
        return subject, ""
    core = np.isin(labels, chosen)
    edge = ndimage.binary_dilation(core, np.ones((3, 3)), iterations=RIM) & (ratio > ratio[core].mean() - SPREAD)
    rest = inside & ~core & ~(edge & (tint < TINT))
    if rest.sum() < 0.5 * inside.sum():
        return subject, ""
    clean = subject.clone()
    clean[0, 0] = from_numpy(rest).to(clean)
    return clean, ", without the even shadow on the floor"


def _lies_on_floor(region: np.ndarray, inside: np.ndarray) -> bool:
    """Check that a region is a broad ellipse, perhaps covered in part, at the subject's foot."""
    row, col = np.nonzero(region)
    rows, cols = np.nonzero(inside)
    height, width = np.ptp(row) + 1, np.ptp(col) + 1
    low = rows.max() - LOW * (np.ptp(rows) + 1)
    if width < WIDE * height or width < WIDTH * (np.ptp(cols) + 1) or (row.min() + row.max()) / 2 < low:
        return False
    y, x = (2 * (v - (v.min() + v.max()) / 2) / size for v, size in ((row, height), (col, width)))
    return bool((np.hypot(x, y) > ROUND).mean() < BEYOND)
