"""The costly operations on a CPU, compiled by Numba. Imported at first use only; torch computes the others."""

from __future__ import annotations

from .grid import encode_grid
from .march import march
from .points import splat_points

__all__ = ["encode_grid", "march", "splat_points"]

NAME = "numba"  # as A124_KERNELS names it
