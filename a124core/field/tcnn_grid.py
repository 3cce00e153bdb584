"""The levels of tiny-cuda-nn's HashGrid, row for row: the formulas of its encodings/grid.h and common_device.h.

A dense level has R rows along each axis, where the release's encoder has R + 1: positions end half a cell beyond the
last of them, so the far face of the cube continues on the near one. Hashed levels have its primes 1, 2654435761 and
805459861 ("CoherentPrime", its default). Weights are linear: its smoothstep is off. Offsets and scales are float32, as
there, since a resolution is the ceiling of one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..kernels.grid_index import PRIMES, Level
from ..kernels.tcnn import TcnnGrid
from .config import FieldConfig

ROW_MULTIPLE = 8  # a level's rows are padded to it


def tcnn_grid(config: FieldConfig, levels: int | None = None) -> TcnnGrid:
    """Return the options that give tiny-cuda-nn the same grid, or its coarsest levels."""
    return TcnnGrid(
        config.levels if levels is None else levels, config.base_resolution, per_level_scale(config),
        config.log2_hashmap_size,
    )


def per_level_scale(config: FieldConfig) -> float:
    """s = (N_max / N_min)^(1 / (levels - 1)) (Instant-NGP, eq. 3)."""
    ratio = config.max_resolution / config.base_resolution
    return ratio ** (1.0 / (config.levels - 1)) if config.levels > 1 else 1.0


def level_scale(config: FieldConfig, level: int) -> float:
    """scale = 2^(l log2 s) N_min - 1: base_resolution counts vertices."""
    log2_scale = np.log2(np.float32(per_level_scale(config)))
    return float(np.exp2(np.float32(level) * log2_scale) * np.float32(config.base_resolution) - np.float32(1.0))


def level_resolution(config: FieldConfig, level: int) -> int:
    """R = ceil(scale) + 1."""
    return int(np.ceil(level_scale(config, level))) + 1


@lru_cache(maxsize=32)
def tcnn_levels(config: FieldConfig) -> tuple[Level, ...]:
    """Return every level with its offset in the table."""
    levels, offset = [], 0
    for number in range(config.levels):
        side = level_resolution(config, number)
        padded = (side**3 + ROW_MULTIPLE - 1) // ROW_MULTIPLE * ROW_MULTIPLE
        rows = min(padded, 2**config.log2_hashmap_size)
        hashed = rows < side**3
        strides = PRIMES if hashed else (1, side, side * side)
        scale = level_scale(config, number)
        levels.append(Level(scale, strides, hashed, rows, offset, wraps=True, smooth=False))
        offset += rows
    return tuple(levels)
