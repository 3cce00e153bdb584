"""Save and load fields."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from torch import Tensor

from ..field.config import FieldConfig, upgraded
from ..field.field4d import Field4D
from ..field.grid import rows_per_grid
from ..field.occupancy import Occupancy
from ..utils.files import read_tensors, write_tensors

DAMAGED = ": the file is damaged, make it again."


def save_field(path: str | Path, field: Field4D, extra: dict[str, Any] | None = None) -> None:
    """Write table, MLP and occupancy; config and extra (JSON: prompt, stage, ...) go into the header."""
    field = field.at_rest()
    tensors = {"table": field.table, **{f"mlp.{name}": value for name, value in field.mlp.items()}}
    header: dict[str, Any] = {"kind": "field", "config": asdict(field.config), "extra": extra or {}}
    if field.occupancy is not None:
        tensors["occupancy"] = field.occupancy.grid
        header["occupancy_threshold"] = field.occupancy.threshold
    write_tensors(path, tensors, header)


def load_field(path: str | Path) -> Field4D:
    """Read a field, onto the CPU."""
    return read_field(path)[0]


def read_field(path: str | Path) -> tuple[Field4D, dict[str, Any]]:  # field, extra
    """Read a field and the extra saved with it; every shape is checked against the config."""
    tensors, header = read_tensors(path, "field")
    config = _config(header.get("config"), header["version"], path)
    occupancy = tensors.pop("occupancy", None)
    _check_shapes(tensors, config, path)
    if occupancy is not None:
        if occupancy.ndim != 4 or len(set(occupancy.shape[1:])) != 1:
            raise ValueError(f"{path}: occupancy is {tuple(occupancy.shape)}, not (S, G, G, G){DAMAGED}")
        occupancy = Occupancy(occupancy, float(header.get("occupancy_threshold", 10.0)))
    mlp = {name.removeprefix("mlp."): value for name, value in tensors.items() if name.startswith("mlp.")}
    return Field4D(config, tensors["table"], mlp, occupancy), header.get("extra", {})


def _config(options: Any, version: int, path: str | Path) -> FieldConfig:
    options = upgraded(options, version) if isinstance(options, dict) else {}
    if set(options) != {f.name for f in fields(FieldConfig)}:
        raise ValueError(f"{path} was written by another version (its field options differ): make it again.")
    try:
        return FieldConfig(**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: its field options are broken ({error}): make it again.") from None


def _check_shapes(tensors: dict[str, Tensor], config: FieldConfig, path: str | Path) -> None:
    features, hidden = 2 * config.levels, config.hidden
    needed = {
        "table": (config.time_grids, rows_per_grid(config), 2),
        "mlp.w1": (hidden, features),
        "mlp.b1": (hidden,),
        "mlp.w2": (4, hidden),
        "mlp.b2": (4,),
    }
    for name, shape in needed.items():
        actual = tuple(tensors[name].shape) if name in tensors else "missing"
        if actual != shape:
            raise ValueError(f"{path}: {name} is {actual}, but its config needs {shape}{DAMAGED}")
