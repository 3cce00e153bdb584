"""How much room a subject has: the picture of the camera it was made for, and a box in the world."""

from __future__ import annotations

from math import pi, tan

from torch import Tensor

RADIUS, FOVY = 1.8, 40.0  # the method's camera (release)
BOX = 0.62  # world units at that camera: no point leaves |x|, |y|, |z| < BOX while it moves
MARGIN = 0.955  # share of the picture's half side that points may use: a rim of one pixel in 48 stays free


def crowding(points: Tensor, radius: float = RADIUS, fovy: float = FOVY) -> float:
    """(..., 3) -> how far the points reach; 1: the edge of the box, or of a level picture from front or side."""
    half = tan(fovy * pi / 360)
    box = min(0.95, BOX * radius * half / (RADIUS * tan(FOVY * pi / 360)))
    x, y, z = points.unbind(-1)
    reach = float(points.abs().max()) / box
    for across, toward in ((x, z), (z, x), (z, -x)):
        wide = across.abs().maximum(y.abs()) / (radius - toward).clamp_min(0.05)
        reach = max(reach, float(wide.max()) / (half * MARGIN))
    return reach
