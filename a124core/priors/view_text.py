"""The side of the object in a text: prompt suffixes, and their blend by azimuth."""

from __future__ import annotations

import torch
from torch import Tensor

STATIC_SUFFIX = ", 8k, good quality"  # the release's scripts add these to every prompt
DYNAMIC_SUFFIX = ", high-resolution, 8k, good quality"
CONTROL_TEXT = "best quality, high resolution"  # the ControlNet's own prompt (release)
SIDES = ("front view", "side view", "back view")  # appended to the prompt after ", " (release)


def view_weights(azimuth: Tensor) -> Tensor:  # (B,) degrees relative to the reference -> (B, 3) over SIDES, sums to 1
    """Blend the three sides' conditionings linearly by azimuth alone, whatever the elevation (release).

    With a the absolute azimuth in [0, 180]: front 1 - a/90 and side a/90 up to 90 degrees, then side to back.
    """
    a = ((azimuth + 180.0) % 360.0 - 180.0).abs() / 90.0
    front = (1.0 - a).clamp(min=0.0)
    back = (a - 1.0).clamp(min=0.0)
    return torch.stack([front, 1.0 - front - back, back], dim=-1)
