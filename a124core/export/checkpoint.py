"""Save and load fields."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..field.config import FieldConfig, config_from_file
from ..field.field4d import MLP_KEYS, Field4D
from ..field.layout import PLANES, parameter_shapes
from ..field.occupancy import Occupancy
from ..utils.files import write_tensors
from ..utils.saved_tensors import SavedTensors, open_tensors


def save_field(path: str | Path, field: Field4D, extra: dict[str, Any] | None = None) -> None:
    """Write tables, MLP and occupancy; config, front and extra (JSON: prompt, stage, ...) go into the header."""
    field = field.at_rest()
    tensors = {**field.tables, **{f"mlp.{name}": value for name, value in field.mlp.items()}}
    header: dict[str, Any] = {"kind": "field", "config": asdict(field.config), "extra": extra or {}}
    header["front"] = field.front
    if field.occupancy is not None:
        tensors["occupancy"] = field.occupancy.grid
        header["occupancy_threshold"] = field.occupancy.threshold
    write_tensors(path, tensors, header)


def load_field(path: str | Path) -> Field4D:
    """Read a field, onto the CPU."""
    return read_field(path)[0]


def read_field(path: str | Path) -> tuple[Field4D, dict[str, Any]]:  # field, extra
    """Read a field and the extra saved with it; types, shapes and bounds are checked before any tensor is read."""
    saved = open_tensors(path, "field")
    header = saved.header
    try:
        config = config_from_file(header.get("config"), header["version"])
    except ValueError as error:
        raise ValueError(f"{path} cannot be used ({str(error).rstrip('.')}): make it again.") from None
    extra = header.get("extra", {})
    if not isinstance(extra, dict):
        raise ValueError(f"{path} has notes that are no object{saved.damaged}")
    front = _front(saved)
    threshold = _check_entries(saved, config)
    tensors = saved.read()
    occupancy = Occupancy(tensors["occupancy"], threshold) if "occupancy" in tensors else None
    mlp = {name: tensors[f"mlp.{name}"] for name in MLP_KEYS}
    return Field4D(config, tensors["table"], mlp, occupancy, planes=tensors.get(PLANES), front=front), extra


def _front(saved: SavedTensors) -> float:
    """Return the azimuth of the reference image; files of earlier versions do not say it."""
    front = saved.header.get("front", 0.0)
    if type(front) not in (int, float) or not abs(front) <= 360.0:
        raise ValueError(f"{saved.layout.path}: front is no azimuth from -360 to 360{saved.damaged}")
    return float(front)


def _check_entries(saved: SavedTensors, config: FieldConfig) -> float:
    """Check every tensor's type and shape against the config; return the occupancy's threshold."""
    shapes = parameter_shapes(config)
    names = {name: f"mlp.{name}" if name in MLP_KEYS else name for name in shapes}
    for name, shape in shapes.items():
        saved.check_entry(names[name], shape)
    saved.check_names([*names.values(), "occupancy"])
    if "occupancy" in saved.layout.entries:
        saved.check_occupancy()
    return saved.number("occupancy_threshold", 10.0)
