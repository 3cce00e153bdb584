"""The transfer function of sRGB (IEC 61966-2-1), both ways."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Colours = TypeVar("Colours", np.ndarray, Tensor)


def linear_to_srgb(colours: Colours) -> Colours:
    """Convert linear light to sRGB, both in [0, 1]."""
    select = torch.where if isinstance(colours, Tensor) else np.where
    return select(colours <= 0.0031308, 12.92 * colours, 1.055 * colours.clip(1e-9) ** (1 / 2.4) - 0.055)


def srgb_to_linear(colours: np.ndarray) -> np.ndarray:
    """Convert sRGB to linear light, both in [0, 1]."""
    return np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4).astype(np.float32)
