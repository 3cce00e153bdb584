"""Options of the 4D grid field. Defaults: the authors' release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..utils.validate import ABOVE_ZERO, ANY, check_choice, check_range

INDEX_MODES = ("hash", "tiled_full", "tiled_legacy")
DENSITIES = ("exp", "softplus")
VERSION_1_NAMES = {"base": "base_resolution", "finest": "max_resolution", "log2_rows": "log2_hashmap_size"}


@dataclass(frozen=True)
class FieldConfig:
    """The 4D grid and its MLP (release)."""

    time_grids: int = 64  # --time_grid_size
    levels: int = 16
    base_resolution: int = 16  # of the coarsest level
    max_resolution: int = 2048  # of the finest level
    log2_hashmap_size: int = 16  # a level has at most 2**log2_hashmap_size rows
    index_mode: str = "hash"  # the release's tiled index drops z from level 9 on: that is "tiled_legacy"
    hidden: int = 64  # width of the MLP's hidden layer
    density: str = "exp"  # "exp" (release) or "softplus" (threestudio extension)
    blob_density: float = 10.0
    blob_radius: float = 0.2
    loop: bool = False  # the last time grid neighbours the first
    init_scale: float = 1e-4  # tables start uniform in (-init_scale, init_scale)

    def __post_init__(self) -> None:
        check_range(self, 1, ANY, "time_grids", "levels", "base_resolution", "hidden")
        check_range(self, self.base_resolution, 2**20, "max_resolution")
        check_range(self, 3, 24, "log2_hashmap_size")
        check_range(self, 0, ANY, "blob_density", "init_scale")
        check_range(self, ABOVE_ZERO, ANY, "blob_radius")
        check_choice(self, "index_mode", INDEX_MODES)
        check_choice(self, "density", DENSITIES)


def upgraded(options: dict[str, Any], version: int) -> dict[str, Any]:
    """Return a file's field options under the names of today, whatever the file's version."""
    return {VERSION_1_NAMES.get(name, name): value for name, value in options.items()} if version == 1 else options
