"""Everything a stage needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..field.config import upgraded
from ..field.field4d import MLP_KEYS, Field4D
from ..field.occupancy import Occupancy
from ..utils.files import read_tensors, write_tensors

ADAM_STATE = ("step", "exp_avg", "exp_avg_sq")  # Adam's own; a step without any gradient does not count in "step"


@dataclass(frozen=True)
class Snapshot:
    """A stage after `step` steps: field, optimiser, occupancy and random numbers, on the CPU."""

    stage: str
    step: int
    seed: int
    tensors: dict[str, Tensor]
    meta: dict  # config of field and stage, as plain values: a snapshot of other settings is refused


def take(
    stage: str, step: int, seed: int, field: Field4D, optimiser: torch.optim.Adam, rng_state: Tensor, config: object
) -> Snapshot:
    """Copies, so that the stage may go on."""
    tensors = {"table": field.table, **field.mlp, "occupancy": field.occupancy.grid, "rng": rng_state}
    for name, value in _parameters(field).items():
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
    config: object,
) -> Field4D:
    """Put a snapshot's numbers into a freshly begun stage; refuse one that was taken with other settings."""
    _check(snapshot, stage, seed, field, config)
    optimiser.state.clear()
    for group, rate in zip(optimiser.param_groups, snapshot.meta.get("rates", []), strict=False):  # earlier: none
        group["full_lr"] = rate
    with torch.no_grad():
        for name, value in _parameters(field).items():
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


def _parameters(field: Field4D) -> dict[str, Tensor]:
    return {"table": field.table, **{key: field.mlp[key] for key in MLP_KEYS}}


def _step_device(optimiser: torch.optim.Adam, value: Tensor) -> torch.device:
    """Fused Adam counts steps on the parameter's device, the others on the CPU."""
    return value.device if optimiser.defaults.get("fused") else torch.device("cpu")


def _check(snapshot: Snapshot, stage: str, seed: int, field: Field4D, config: object) -> None:
    if snapshot.stage != stage or snapshot.seed != seed:
        raise ValueError(
            f"the snapshot is of stage {snapshot.stage!r} with seed {snapshot.seed}, but stage {stage!r} with seed "
            f"{seed} is to go on: choose resume = restart, or the settings it was taken with."
        )
    same_config = _comparable(snapshot.meta["config"]) == _comparable(asdict(config))
    if snapshot.meta["field"] != asdict(field.config) or not same_config:
        raise ValueError(
            "the snapshot was taken with other settings of this stage: choose resume = restart, or the same settings."
        )
    needed = {**_parameters(field), "occupancy": field.occupancy.grid}
    for name, value in needed.items():
        actual = tuple(snapshot.tensors[name].shape) if name in snapshot.tensors else "missing"
        if actual != tuple(value.shape):
            raise ValueError(
                f"the snapshot's {name} is {actual} but this stage needs {tuple(value.shape)}: choose resume = restart."
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
    """Read a snapshot; ValueError if the file is none."""
    tensors, header = read_tensors(path, "snapshot")
    try:
        meta = {name: header["meta"][name] for name in ("field", "config", "threshold")}
        meta["rates"] = [float(rate) for rate in header["meta"].get("rates", [])]
        meta["field"] = upgraded(meta["field"], header["version"])
        return Snapshot(header["stage"], int(header["step"]), int(header["seed"]), _with_rng(tensors), meta)
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"{path} is not a whole snapshot: choose resume = restart.") from None


def _with_rng(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """KeyError without the random numbers' state, ValueError if a generator would not take it."""
    if tensors["rng"].shape != torch.Generator().get_state().shape or tensors["rng"].dtype != torch.uint8:
        raise ValueError
    return tensors
