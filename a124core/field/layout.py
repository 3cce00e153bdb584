"""What each backbone stores: the shapes of its tensors, and the width of its features."""

from __future__ import annotations

from math import prod

from .config import FieldConfig
from .grid import rows_per_grid
from .hexplane import plane_levels

PLANES = "planes"  # the name of HexPlane's planes of space


def features_per_level(config: FieldConfig) -> int:
    """Return 2, or of HexPlane three pairs of planes with 2 each."""
    return 6 if config.backbone == "HexPlane" else 2


def n_features(config: FieldConfig) -> int:
    """Return the width of the MLP's input."""
    return features_per_level(config) * config.levels


def table_shapes(config: FieldConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what holds features: the table of the time grids and, of HexPlane, the planes of space."""
    if config.backbone != "HexPlane":
        return {"table": (config.time_grids, rows_per_grid(config), 2)}
    sides = [level.side for level in plane_levels(config)]
    return {
        "table": (config.time_grids, 3 * sum(sides), 2),
        PLANES: (3 * sum(side**2 for side in sides), 2),
    }


def parameter_shapes(config: FieldConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all that is learned: tables, and the MLP's weights and biases."""
    return {
        **table_shapes(config),
        "w1": (config.hidden, n_features(config)),
        "b1": (config.hidden,),
        "w2": (4, config.hidden),
        "b2": (4,),
    }


def table_parameters(config: FieldConfig) -> int:
    """Return how many numbers the tables hold."""
    return sum(map(prod, table_shapes(config).values()))
