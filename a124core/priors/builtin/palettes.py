"""Two fixed palettes per subject: the reference colours, and drifted ones the video prior believes in."""

from __future__ import annotations

from functools import lru_cache
from math import pi

import torch
from torch import Tensor

from .body import Subject
from .recipe import DRIFT

PALETTES = ("reference", "drifted")
HUE_TURN = -60.0  # degrees at amount 1: yellow goes to orange, green to yellow, blue to teal
TINT_SHARE = 0.35  # grey has no hue to turn: everything leans a little to the tint that is farthest from it
TINTS = torch.tensor([[0.95, 0.55, 0.45], [0.40, 0.65, 0.95], [0.95, 0.85, 0.35], [0.60, 0.40, 0.85]])
SAMPLE_SPACING = 0.02  # world units; spacing of the points by which the drift is measured


@lru_cache(maxsize=32)
def coloured(subject: Subject, spacing: float, palette: str) -> Tensor:
    """Colours (N, 3) of subject.surfels(spacing) in a palette."""
    colours = subject.surfels(spacing).colours
    if palette == "reference":
        return colours
    amount, tint = _drift_of(subject)
    return drifted(colours, amount, tint)


def drifted(colours: Tensor, amount: float, tint: Tensor) -> Tensor:
    """Turn the hue about the grey axis and lean to a tint (3,), both by `amount`."""
    angle = torch.tensor(HUE_TURN * amount * pi / 180)
    axis = torch.full((3,), 3**-0.5)
    across = torch.linalg.cross(axis.expand_as(colours), colours)
    along = (colours @ axis)[..., None] * axis
    turned = colours * angle.cos() + across * angle.sin() + along * (1 - angle.cos())
    return torch.lerp(turned, tint.expand_as(colours), TINT_SHARE * amount).clamp(0, 1)


@lru_cache(maxsize=64)
def _drift_of(subject: Subject) -> tuple[float, Tensor]:
    """The amount at which the mean |dRGB| over front and back is DRIFT, and the tint, far from the mean colour."""
    surfels = subject.surfels(SAMPLE_SPACING)
    z = surfels.normals[:, 2]
    weight = torch.where(z > 0, 2 * z, -z)  # what front and back show; the front counts twice
    colours = surfels.colours
    mean = (colours * weight[:, None]).sum(0) / weight.sum()
    tint = TINTS[(TINTS - mean).square().sum(1).argmax()]
    low, high = 0.0, 2.0
    for _ in range(20):
        amount = (low + high) / 2
        change = (drifted(colours, amount, tint) - colours).abs().mean(1)
        moved = float((change * weight).sum() / weight.sum())
        low, high = (amount, high) if moved < DRIFT else (low, amount)
    return amount, tint
