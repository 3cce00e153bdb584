"""Holes of a subject on a plain background: closed regions of the background's colour that are plainly the background.

A white belly or eye may have the background's colour, too. A shaded subject is nowhere as flat as what is behind it; in
a flat drawing only the opening of an even ring is a hole.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from torch import Tensor, from_numpy

from .layers import border_pixels

SMALLEST, SMALLEST_SHARE = 1.5e-3, 6e-3  # area of a hole, shares of the image and of the subject
SAME = 0.012  # largest difference of its mean colour from the background's
EVEN = 0.008  # standard deviation of its colours beyond the background's
ISLANDS = 2e-3  # share of a region, of what is enclosed in it: an eye in a face
JUMP, JUMP_SHARE, BESIDE = 0.15, 0.8, 4  # colour difference across its outline, in how much of it, over so many pixels
FLAT, DRAWING = 0.006, 0.35  # local standard deviation of flat colours, and their share in a drawing
RING, RING_RATIO, THINNEST = 2.0, 2.5, 0.2  # a ring's largest width, its largest ratio, its least, in radii of the hole
DOUBTFUL = 0.01  # area of a kept region that is worth a word, share of the image


def without_holes(image: Tensor, subject: Tensor, tolerance: float) -> tuple[Tensor, str]:
    """Return a subject (1, 1, H, W) of 0 and 1 in an image (1, 3, H, W) without its holes, which are of the border's
    colour to a tolerance, and a note on them and on doubtful regions that were kept ("": neither)."""
    colours, inside = image[0].permute(1, 2, 0).double().numpy(), subject[0, 0].numpy() > 0.5
    colour = border_pixels(image).median(dim=1).values.double().numpy()
    labels, count = ndimage.label((np.abs(colours - colour).max(-1) < tolerance) & inside)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    least = max(SMALLEST * inside.size, SMALLEST_SHARE * inside.sum())
    large = [k for k in range(1, count + 1) if areas[k] >= least]
    if not large:
        return subject, ""
    noise = float(colours[~inside].std(0).max()) if not inside.all() else 0.0
    plain = [labels == k for k in large if _is_background(colours, labels == k, colour, noise)]
    if plain and _is_drawing(colours, inside & (labels == 0)):
        holes = [region for region in plain if _is_opening(region, inside)]
    else:
        holes = plain
    doubtful = len([region for region in plain if region.sum() >= DOUBTFUL * region.size]) - len(
        [region for region in holes if region.sum() >= DOUBTFUL * region.size]
    )
    return _taken(subject, holes), _note(len(holes), doubtful)


def _taken(subject: Tensor, holes: list[np.ndarray]) -> Tensor:
    """Take holes out of a subject."""
    if not holes:
        return subject
    out = subject.clone()
    out[0, 0][from_numpy(np.any(holes, axis=0))] = 0
    return out


def _note(holes: int, doubtful: int) -> str:
    """Return what was done, to follow the name of the method."""
    text = f", with {'a hole' if holes == 1 else f'{holes} holes'} that the background shows through" if holes else ""
    if doubtful:
        areas = "an area" if doubtful == 1 else f"{doubtful} areas"
        text += f", {areas} of the background's colour inside it kept (a hole there needs a transparent PNG or a mask)"
    return text


def _is_background(colours: np.ndarray, region: np.ndarray, colour: np.ndarray, noise: float) -> bool:
    """Check that a region is as even as the background, of its colour, empty, and sharply outlined."""
    deep = ndimage.binary_erosion(region, iterations=2)
    if not deep.any():
        return False
    filled = ndimage.binary_fill_holes(region)
    if (filled & ~region).sum() > ISLANDS * region.sum():
        return False
    values = colours[deep]
    if np.abs(values.mean(0) - colour).max() > SAME or values.std(0).max() > noise + EVEN:
        return False
    near, far = (ndimage.binary_dilation(region, iterations=n) for n in (BESIDE - 1, BESIDE))
    beyond = far & ~near
    return bool((np.abs(colours[beyond] - colour).max(-1) > JUMP).mean() >= JUMP_SHARE)


def _is_drawing(colours: np.ndarray, inside: np.ndarray) -> bool:
    """Check for a subject in flat colours."""
    mean, square = (ndimage.uniform_filter(colours**n, (5, 5, 0)) for n in (1, 2))
    local = np.sqrt((square - mean**2).clip(0)).max(-1)
    return bool((local[inside] < FLAT).mean() > DRAWING)


def _is_opening(region: np.ndarray, inside: np.ndarray) -> bool:
    """Check that what surrounds a region is a ring of even width."""
    outline = ndimage.binary_dilation(region) & ~region
    width = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1][outline]
    radius = ndimage.distance_transform_edt(region).max()
    return bool(
        width.max() <= RING * radius and width.min() >= THINNEST * radius and width.max() <= RING_RATIO * width.min()
    )
