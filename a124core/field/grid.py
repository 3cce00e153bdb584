"""The levels of the multi-resolution grid: resolutions, row counts and index rules of the release."""

from __future__ import annotations

import math
from functools import lru_cache

from ..kernels.grid_index import PRIMES, Level
from .config import FieldConfig
from .tcnn_grid import tcnn_levels

# Korobov's lattice rules (1, a, a^2) modulo 2^k: of all odd a the one whose lattice of cells that share a row has the
# longest shortest vector; from k = 20 on of 200,000 evenly spaced ones, for k = 24 of 1,000.
KOROBOV = {
    3: 1, 4: 3, 5: 3, 6: 5, 7: 5, 8: 7, 9: 101, 10: 35, 11: 407, 12: 631, 13: 917, 14: 781, 15: 11567, 16: 867,
    17: 14925, 18: 73585, 19: 79753, 20: 204267, 21: 87321, 22: 505697, 23: 825313, 24: 3254779,
}


def resolution(config: FieldConfig, level: int) -> int:
    """R_l = ceil(N_min s^l), s = (N_max / N_min)^(1 / (levels - 1)) (Instant-NGP, eq. 2 and 3)."""
    return math.ceil(round(_scale(config, level), 6))


def _scale(config: FieldConfig, level: int) -> float:
    lowest, highest = config.base_resolution, config.max_resolution
    growth = (highest / lowest) ** (1.0 / (config.levels - 1)) if config.levels > 1 else 1.0
    return lowest * growth**level


def row_count(config: FieldConfig, level: int) -> int:
    """min(2^log2_hashmap_size, (R_l + 1)^3), rounded up to a multiple of 8."""
    rows = min(2**config.log2_hashmap_size, (resolution(config, level) + 1) ** 3)
    return (rows + 7) // 8 * 8


@lru_cache(maxsize=32)
def grid_levels(config: FieldConfig) -> tuple[Level, ...]:
    """Return every level with its offset in the table, of the backbone's own grid."""
    if config.backbone == "tiny-cuda-nn":
        return tcnn_levels(config)
    levels, offset = [], 0
    for number in range(config.levels):
        level = _level(config, number, offset)
        levels.append(level)
        offset += level.rows
    return tuple(levels)


def rows_per_grid(config: FieldConfig) -> int:
    """Return the rows of one time grid: 903,480 at the paper's size."""
    return sum(level.rows for level in grid_levels(config))


def _level(config: FieldConfig, number: int, offset: int) -> Level:
    side, rows = resolution(config, number) + 1, row_count(config, number)
    fits = side**3 <= rows
    hashed = config.index_mode == "hash" and not fits
    return Level(
        scale=_scale(config, number) - 1.0,
        strides=(1, side, side * side) if fits else _wrapped_strides(config.index_mode, side, rows),
        hashed=hashed,
        rows=rows,
        offset=offset,
        wraps=not fits,
        smooth=config.index_mode == "hash",  # the release smooths its hash option only
    )


def _wrapped_strides(index_mode: str, side: int, rows: int) -> tuple[int, int, int]:
    """Return the strides of a level with more corners than rows.

    The release drops an axis whose stride exceeds the rows: z, from level 9 on. Keeping it is no cure: with side 2,049
    and 2^16 rows, cells share a row along (1, -2, 1)."""
    if index_mode == "hash":
        return PRIMES
    if index_mode == "tiled":
        factor = KOROBOV[rows.bit_length() - 1]
        return 1, factor, factor * factor % rows
    x, y, z = 1, side, side * side
    return (x, y, z) if index_mode == "tiled_full" else (x, y if y <= rows else 0, z if z <= rows else 0)
