"""HexPlane: the levels of its planes, and the azimuth of the reference camera that it needs."""

from __future__ import annotations

from functools import lru_cache

from ..kernels import PlaneLevel
from .config import FieldConfig
from .grid import resolution

# Animate124, ablation of the backbone: seen from azimuth 0, a plane faces the reference camera, and front and back
# share its features. The variant's reference camera stands at 45 degrees.
REFERENCE_AZIMUTH = 45.0
FACING = 15.0  # degrees from a plane's axis within which it counts as facing


@lru_cache(maxsize=32)
def plane_levels(config: FieldConfig) -> tuple[PlaneLevel, ...]:
    """Return every level, R_l vertices a side (Instant-NGP, eq. 2), with its offsets; two vertices at least."""
    levels, planes, lines = [], 0, 0
    for number in range(config.levels):
        side = max(2, resolution(config, number))
        levels.append(PlaneLevel(side, planes, lines))
        planes += 3 * side * side
        lines += 3 * side
    return tuple(levels)


def default_azimuth(backbone: str) -> float:
    """Return where the reference camera stands if nobody says, degrees."""
    return REFERENCE_AZIMUTH if backbone == "HexPlane" else 0.0


def facing_note(config: FieldConfig, azimuth: float) -> str:
    """Say that a plane faces the reference camera; empty where none does."""
    off = abs((azimuth + 45.0) % 90.0 - 45.0)  # degrees from the nearest of four axes
    if config.backbone != "HexPlane" or off > FACING:
        return ""
    return (
        f"HexPlane with the picture's camera at azimuth {azimuth:g}: a plane faces it, so front and back may look "
        f"alike; the paper's variant has azimuth {REFERENCE_AZIMUTH:g}."
    )
