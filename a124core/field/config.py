"""Options of the 4D grid field. Defaults: the authors' release."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..utils.validate import ABOVE_ZERO, check_choice, check_range, check_types

INDEX_MODES = ("hash", "tiled_full", "tiled_legacy", "tiled")
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
        check_types(self)
        check_range(self, 1, 32, "levels")  # Instant-NGP has 16
        check_range(self, 1, 4096, "time_grids", "hidden")
        check_range(self, 1, 2**20, "base_resolution")
        check_range(self, self.base_resolution, 2**20, "max_resolution")
        check_range(self, 3, 24, "log2_hashmap_size")
        check_range(self, 0, 1e6, "blob_density", "init_scale")
        check_range(self, ABOVE_ZERO, 1e6, "blob_radius")
        check_choice(self, "index_mode", INDEX_MODES)
        check_choice(self, "density", DENSITIES)


def config_from_file(options: Any, version: int) -> FieldConfig:
    """Return a file's field options, of any file version, as a config: ValueError says what is wrong with them."""
    options = upgraded(options, version) if isinstance(options, dict) else {}
    if set(options) != {f.name for f in fields(FieldConfig)}:
        raise ValueError("its field options are those of another version")
    return FieldConfig(**options)


def upgraded(options: dict[str, Any], version: int) -> dict[str, Any]:
    """Return a file's field options under the names of today, whatever the file's version."""
    return {VERSION_1_NAMES.get(name, name): value for name, value in options.items()} if version == 1 else options
