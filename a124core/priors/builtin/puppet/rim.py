"""Colours of a solid's side: from inside the silhouette, since an image's outline is mixed with what was cut away."""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ....reference.layers import fill_outwards
from .solid import SIDE, inscribed_balls

MIXED = 0.012  # share of the image's side at its outline whose colours are not trusted
TURNED = 0.16  # share of a part's radius at its outline that its side continues
LARGEST = 0.5  # share of a part's radius that is replaced at most: thin parts keep their middle


def turned_rim(image: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:  # (1, 3, S, S), (1, 1, S, S) of 0 and 1
    """Return colours near the outline from as far on the other side of the rim's inner border, and their share, 0 to 1,
    which falls from the outline inwards (1, 1, S, S)."""
    small = (interpolate(inside, (SIDE, SIDE), mode="area") > 0.5).float()
    radius = fill_outwards(inscribed_balls(small[0, 0])[2][None, None] / SIDE, small)
    radius = interpolate(radius, inside.shape[-2:], mode="bilinear", align_corners=False)[0, 0]
    distance = torch.from_numpy(distance_transform_edt(pad(inside, (1, 1, 1, 1))[0, 0].numpy())[1:-1, 1:-1]).float()
    distance = distance / inside.shape[-1]
    rim = (TURNED * radius).clamp_min(MIXED).minimum(LARGEST * radius)
    known = (distance >= rim) & (inside[0, 0] > 0)
    if not known.any():
        return image, torch.zeros_like(inside)
    return mirrored_inwards(image, known), (2 - 2 * distance / rim.clamp_min(1e-6)).clamp(0, 1)[None, None]


def mirrored_inwards(image: Tensor, known: Tensor) -> Tensor:  # (1, 3, S, S), (S, S) bool -> (1, 3, S, S)
    """Mirror known colours across the border of their region, or take the nearest where there is no mirror image."""
    known = known.numpy()
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    mirrored = np.clip(2 * nearest - np.indices(known.shape), 0, np.array(known.shape)[:, None, None] - 1)
    rows, columns = np.where(known[tuple(mirrored)], mirrored, nearest)
    return image[:, :, torch.from_numpy(rows), torch.from_numpy(columns)]
