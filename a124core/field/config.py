"""Options of the 4D grid field. Defaults: the authors' release."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.validate import ABOVE_ZERO, ANY, check_choice, check_range

INDEX_MODES = ("hash", "tiled_full", "tiled_legacy")
DENSITIES = ("exp", "softplus")


@dataclass(frozen=True)
class FieldConfig:
    """The 4D grid and its MLP (release)."""

    time_grids: int = 64  # --time_grid_size
    levels: int = 16
    base: int = 16  # resolution of the coarsest level
    finest: int = 2048  # resolution of the finest level
    log2_rows: int = 16  # a level keeps at most 2**log2_rows rows
    index_mode: str = "hash"  # the release's tiled index drops z from level 9 on: that is "tiled_legacy"
    hidden: int = 64  # width of the MLP's hidden layer
    density: str = "exp"  # "exp" (release) or "softplus" (threestudio extension)
    blob_density: float = 10.0
    blob_radius: float = 0.2
    loop: bool = False  # the last time grid neighbours the first
    init_scale: float = 1e-4  # tables start uniform in (-init_scale, init_scale)

    def __post_init__(self) -> None:
        check_range(self, 1, ANY, "time_grids", "levels", "base", "hidden")
        check_range(self, self.base, 2**20, "finest")
        check_range(self, 3, 24, "log2_rows")
        check_range(self, 0, ANY, "blob_density", "init_scale")
        check_range(self, ABOVE_ZERO, ANY, "blob_radius")
        check_choice(self, "index_mode", INDEX_MODES)
        check_choice(self, "density", DENSITIES)
