"""The levels of the multi-resolution grid: resolutions, row counts and index rules of the release."""

from __future__ import annotations

import math
from functools import lru_cache

from ..kernels.grid_index import PRIMES, Level
from .config import FieldConfig


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
    """Return every level with its offset in the table."""
    levels, offset = [], 0
    for number in range(config.levels):
        level = _level(config, number, offset)
        levels.append(level)
        offset += level.rows
    return tuple(levels)


def rows_per_grid(config: FieldConfig) -> int:
    """Return the rows of one time grid: 903,480 at the paper's size."""
    return sum(row_count(config, level) for level in range(config.levels))


def parameter_shapes(config: FieldConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the table and of the MLP's weights and biases."""
    return {
        "table": (config.time_grids, rows_per_grid(config), 2),
        "w1": (config.hidden, 2 * config.levels),
        "b1": (config.hidden,),
        "w2": (4, config.hidden),
        "b2": (4,),
    }


def _level(config: FieldConfig, number: int, offset: int) -> Level:
    side, rows = resolution(config, number) + 1, row_count(config, number)
    fits = side**3 <= rows
    hashed = config.index_mode == "hash" and not fits
    return Level(
        scale=_scale(config, number) - 1.0,
        strides=PRIMES if hashed else _strides(side, rows, legacy=config.index_mode == "tiled_legacy"),
        hashed=hashed,
        rows=rows,
        offset=offset,
        wraps=not fits,
        smooth=config.index_mode == "hash",  # the release smooths its hash option only
    )


def _strides(side: int, rows: int, legacy: bool) -> tuple[int, int, int]:
    """Strides of x + y side + z side^2. The release drops an axis whose stride exceeds the rows: z, from level 9 on."""
    strides = (1, side, side * side)
    return tuple(s if not legacy or s <= rows else 0 for s in strides)  # type: ignore[return-value]
