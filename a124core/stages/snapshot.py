"""Everything a stage needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..field.config import FieldConfig, config_from_file, upgraded
from ..field.field4d import Field4D
from ..field.layout import parameter_shapes
from ..field.occupancy import Occupancy
from ..utils.files import VERSIONS, write_tensors
from ..utils.saved_tensors import SavedTensors, open_tensors
from ..utils.text import START_OVER
from ..utils.validate import MAX_NUMBER
from .config import StageConfig, completed

ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")  # Adam's own; a step without any gradient does not count in "step"
MAX_NAME = 100  # characters of a stage's name


@dataclass(frozen=True)
class Snapshot:
    """A stage after `step` steps: field, optimiser, occupancy and random numbers, on the CPU."""

    stage: str
    step: int
    seed: int
    tensors: dict[str, Tensor]
    meta: dict  # config of field and stage, as plain values: a snapshot of other settings is refused


def take(
    stage: str,
    step: int,
    seed: int,
    field: Field4D,
    optimiser: torch.optim.Adam,
    rng_state: Tensor,
    config: StageConfig,
) -> Snapshot:
    """Copies, so that the stage may go on."""
    tensors = {**field.parameters, "occupancy": field.occupancy.grid, "rng": rng_state}
    for name, value in field.parameters.items():
        state = optimiser.state.get(value, {})
        for entry in ADAM_STATE:
            if entry in state:
                tensors[f"{entry}.{name}"] = state[entry]
    tensors = {name: value.detach().cpu().clone() for name, value in tensors.items()}
    meta = {"field": asdict(field.config), "config": asdict(config), "threshold": field.occupancy.threshold}
    meta["rates"] = [group["full_lr"] for group in optimiser.param_groups]
    return Snapshot(stage, step, seed, tensors, meta)


def restore(
    snapshot: Snapshot,
    stage: str,
    seed: int,
    field: Field4D,
    optimiser: torch.optim.Adam,
    rng: torch.Generator,
    config: StageConfig,
) -> Field4D:
    """Put a snapshot's numbers into a freshly begun stage; refuse one that was taken with other settings."""
    _check(snapshot, stage, seed, field, config)
    optimiser.state.clear()
    for group, rate in zip(optimiser.param_groups, snapshot.meta.get("rates", []), strict=False):  # earlier: none
        group["full_lr"] = rate
    with torch.no_grad():
        for name, value in field.parameters.items():
            value.copy_(snapshot.tensors[name])
            state = {
                m: snapshot.tensors[f"{m}.{name}"].to(value.device)
                for m in ADAM_STATE
                if f"{m}.{name}" in snapshot.tensors
            }
            if state:
                state["step"] = state["step"].to(_step_device(optimiser, value))
                optimiser.state[value] = state
    rng.set_state(snapshot.tensors["rng"])
    grid = snapshot.tensors["occupancy"].to(field.table.device)
    return replace(field, occupancy=Occupancy(grid, snapshot.meta["threshold"]))


def _step_device(optimiser: torch.optim.Adam, value: Tensor) -> torch.device:
    """Fused Adam counts steps on the parameter's device, the others on the CPU."""
    return value.device if optimiser.defaults.get("fused") else torch.device("cpu")


def _check(snapshot: Snapshot, stage: str, seed: int, field: Field4D, config: StageConfig) -> None:
    if snapshot.stage != stage or snapshot.seed != seed:
        raise ValueError(
            f"the snapshot is of stage {snapshot.stage!r} with seed {snapshot.seed}, but stage {stage!r} with seed "
            f"{seed} is to go on: use the settings it was taken with, or {START_OVER}."
        )
    same_config = _comparable(completed(snapshot.meta["config"], config)) == _comparable(asdict(config))
    if snapshot.meta["field"] != asdict(field.config) or not same_config:
        raise ValueError(
            f"the snapshot was taken with other settings of this stage: use those, or {START_OVER}."
        )
    needed = {**field.parameters, "occupancy": field.occupancy.grid}
    for name, value in needed.items():
        actual = tuple(snapshot.tensors[name].shape) if name in snapshot.tensors else "missing"
        if actual != tuple(value.shape):
            raise ValueError(
                f"the snapshot's {name} is {actual} but this stage needs {tuple(value.shape)}: {START_OVER}."
            )


def _comparable(config: dict) -> dict:
    """The options without the rays rendered at once, which change how a result is reached and not the result."""
    return {**config, "render": {**config["render"], "chunk": 0}}


def save_snapshot(path: str | Path, snapshot: Snapshot) -> None:
    """Write atomically: a crash leaves the earlier file."""
    header = {
        "kind": "snapshot",
        "stage": snapshot.stage,
        "step": snapshot.step,
        "seed": snapshot.seed,
        "meta": snapshot.meta,
    }
    write_tensors(path, snapshot.tensors, header)


def load_snapshot(path: str | Path) -> Snapshot:
    """Read a snapshot; ValueError if the file is none. Types and shapes are checked before any tensor is read."""
    saved = open_tensors(path, "snapshot")
    stage, step, seed = saved.header.get("stage"), saved.whole("step"), saved.whole("seed", -MAX_NUMBER)
    meta = _meta(saved)
    if not isinstance(stage, str) or len(stage) > MAX_NAME:
        raise ValueError(f"{path} does not name its stage{saved.damaged}")
    _check_entries(saved, _field_config(saved, meta["field"]))
    snapshot = Snapshot(stage, step, seed, saved.read(), meta)
    try:
        torch.Generator().set_state(snapshot.tensors["rng"])
    except RuntimeError:
        raise ValueError(f"{path} has random numbers that no generator takes{saved.damaged}") from None
    return snapshot


def _meta(saved: SavedTensors) -> dict[str, Any]:
    """Return the options of field and stage, under the names of today."""
    meta = saved.header.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    field, config, threshold = meta.get("field"), meta.get("config"), meta.get("threshold")
    rates = meta.get("rates", [])
    whole = isinstance(rates, list) and all(type(rate) in (int, float) for rate in rates)
    whole = whole and isinstance(field, dict) and isinstance(config, dict) and isinstance(config.get("render"), dict)
    if not whole or type(threshold) not in (int, float) or not 0 <= threshold < MAX_NUMBER:
        raise ValueError(f"{saved.layout.path} is not a whole snapshot{saved.damaged}")
    options = {"field": upgraded(field, saved.header["version"]), "config": config, "threshold": threshold}
    return options | {"rates": [float(rate) for rate in rates]}


def _field_config(saved: SavedTensors, options: dict[str, Any]) -> FieldConfig:
    try:
        return config_from_file(options, VERSIONS["snapshot"])
    except ValueError as error:
        raise ValueError(f"{saved.layout.path}: {str(error).rstrip('.')}{saved.damaged}") from None


def _check_entries(saved: SavedTensors, config: FieldConfig) -> None:
    """Check the types and shapes of the field, its occupancy, Adam's state and the random numbers' state."""
    shapes = parameter_shapes(config)
    for name, shape in shapes.items():
        saved.check_entry(name, shape)
        for entry in (f"{state}.{name}" for state in ADAM_STATE):
            if entry in saved.layout.entries:
                saved.check_entry(entry, () if entry.startswith("step.") else shape)
    saved.check_occupancy()
    saved.check_entry("rng", tuple(torch.Generator().get_state().shape), torch.uint8)
    saved.check_names([*shapes, *(f"{state}.{name}" for state in ADAM_STATE for name in shapes), "occupancy", "rng"])
