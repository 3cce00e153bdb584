"""Options of the field. Defaults: the authors' release."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from ..utils.validate import ABOVE_ZERO, check_choice, check_range, check_types

BACKBONES = ("4D grid", "HexPlane", "tiny-cuda-nn")
INDEX_MODES = ("hash", "tiled_full", "tiled_legacy", "tiled")
DENSITIES = ("exp", "softplus")
VERSION_1_NAMES = {"base": "base_resolution", "finest": "max_resolution", "log2_rows": "log2_hashmap_size"}
BEFORE_BACKBONES = 2  # the last version of files whose fields are all 4D grids


@dataclass(frozen=True)
class FieldConfig:
    """What holds the features, the 4D grid as released, and its MLP."""

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
    backbone: str = "4D grid"  # or "HexPlane" (hexplane.py), or "tiny-cuda-nn" (tcnn_grid.py)

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
        check_choice(self, "backbone", BACKBONES)
        if self.backbone != BACKBONES[0] and self.index_mode != "hash":
            raise ValueError(
                f"index_mode is {self.index_mode!r}, but backbone {self.backbone!r} has an index of its own: set "
                "index_mode to hash, or backbone to 4D grid."
            )


def with_backbone(config: FieldConfig, backbone: str) -> FieldConfig:
    """Return the options with another backbone, whose index is its own."""
    return replace(config, backbone=backbone, index_mode=config.index_mode if backbone == BACKBONES[0] else "hash")


def config_from_file(options: Any, version: int) -> FieldConfig:
    """Return a file's field options, of any file version, as a config: ValueError says what is wrong with them."""
    options = upgraded(options, version) if isinstance(options, dict) else {}
    if set(options) != {f.name for f in fields(FieldConfig)}:
        raise ValueError("its field options are those of another version")
    return FieldConfig(**options)


def upgraded(options: dict[str, Any], version: int) -> dict[str, Any]:
    """Return a file's field options under the names of today, whatever the file's version."""
    if version == 1:
        options = {VERSION_1_NAMES.get(name, name): value for name, value in options.items()}
    return {**options, "backbone": BACKBONES[0]} if version <= BEFORE_BACKBONES else options
