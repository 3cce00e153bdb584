"""What the three optimizers share: widgets, presets, memory, and a run that can be watched, cancelled and resumed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import Any

from ...a124core.cameras.rig import reference_camera
from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidance, OnStep
from ...a124core.runs.memory import estimate_memory, kernels_on, model_priors, shortfall
from ...a124core.stages.config import Preset, StageConfig, with_steps
from ...a124core.stages.loop import FieldLostError
from ...a124core.stages.presets import MEMORY, PRESETS, auto_preset, describe_preset, preset, with_memory
from ...a124core.stages.snapshot import Snapshot
from ...a124core.utils.device import is_out_of_memory
from ..host import ui
from ..host.folders import output_folder
from ..host.memory import JOB_BYTES, free_vram, host_device, reserve_vram
from .cache_key import Graph, cache_key
from .keep import Keep
from .watch import Watch

log = logging.getLogger(__name__)
Optimise = Callable[[OnStep, Snapshot | None], Field4D]


def widgets() -> dict[str, tuple]:
    """The five widgets, in their final order. New ones are appended after them, never before."""
    return {
        "preset": (list(PRESETS), {"default": "auto", "tooltip": (
            "The recipe. auto: demo when every connected guidance is built-in, else draft. demo: minutes on a CPU. "
            "draft: minutes on a GPU. released: the authors' numbers. paper: the printed numbers."
        )}),
        "memory": (["auto", *MEMORY], {"default": "auto", "tooltip": (
            "Rays rendered with their graph at once: full all of a step, balanced 16,384, low 4,096, with the same "
            "result; low needs least memory and takes longest. auto: full for small pictures, else balanced. Connected "
            "models are not parked by it."
        )}),
        "steps": ("INT", {"default": 0, "min": 0, "max": 1_000_000, "tooltip": (
            "Steps of optimisation. 0: as many as the preset says."
        )}),
        "seed": ("INT", {
            "default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": False,
            "tooltip": "Same seed, same result. It stays as it is after a run, so that a second Queue costs nothing.",
        }),
        "resume": (["auto", "restart"], {"default": "auto", "tooltip": (
            "auto: go on from the snapshot of an interrupted run with the same inputs, or take its finished result. "
            "restart: forget both and begin again."
        )}),
    }  # fmt: skip


def chosen_preset(name: str, guidances: list[Guidance | None]) -> Preset:
    """The preset's numbers; auto looks at what is connected."""
    return preset(auto_preset(guidances) if name == "auto" else name)


def adjusted(config: StageConfig, steps: int, memory: str) -> StageConfig:
    """The preset's stage with the widgets' steps and memory."""
    config = with_memory(config, memory)
    return with_steps(config, steps) if steps > 0 else config


def run(
    stage: str,
    optimise: Optimise,
    recipe: str,  # what the widget preset says
    config: StageConfig,
    reference: Any,
    inputs: dict[str, Any],  # everything the result depends on, used where the host shows no graph
    resume: str,
    graph: Graph | None = None,
    unique_id: str | None = None,
) -> Field4D:
    """Take the finished result of the same inputs, or go on from their snapshot, or begin."""
    name = f"{stage}-{cache_key(graph, unique_id, stage, reference, inputs)}"
    keep = Keep(output_folder() / "snapshots" / name)
    if resume == "restart":
        keep.clear()
    elif (done := keep.finished()) is not None:
        ui.show_text(unique_id, f"Found the finished result of an earlier run.\n{keep.used()}")
        return done
    start = _same_memory(keep.newest(), config)
    watch = Watch(stage, config.steps, 0 if start is None else start.step, keep, unique_id)
    guidances = inputs.get("guidances", [])
    with loaded_models(guidances):
        watch.begin(f"{describe_preset(recipe, guidances)} {_forecast(config, reference, inputs)}".rstrip())
        try:
            field = optimise(watch.on_step, start)
        except FieldLostError:  # a snapshot of it would only be lost again
            raise
        except BaseException as error:  # cancelled, out of memory, Ctrl-C: the last good step must survive
            watch.save_last()
            if is_out_of_memory(error):
                # still of its kind, so that the host frees its models
                error.args = (f"{_less_memory(stage, config, bool(model_priors(guidances)))}\n{error}",)
            raise
    problem = keep.finish(field)
    ui.show_text(unique_id, f"{watch.summary()}\n{problem or keep.used()}")
    return field


def _forecast(config: StageConfig, reference: Any, inputs: dict[str, Any]) -> str:
    """What the run will hold, counted; and what to do where that is more than there is. A forecast ends no run."""
    try:
        return _counted(config, reference, inputs)
    except Exception:  # whatever a driver or a prior of another pack may say
        log.exception("Animate124: how much memory this run takes could not be counted; it goes on.")
        return ""


def _counted(config: StageConfig, reference: Any, inputs: dict[str, Any]) -> str:
    guidances, start = inputs.get("guidances", []), inputs.get("of")
    grid = inputs.get("field") or inputs.get("grid") or start.config
    camera = reference.camera if reference is not None else reference_camera()
    needs = estimate_memory(grid, config, guidances, kernels_on(host_device()), camera, start)
    lack = shortfall(needs, host_device(), _ways(config, bool(model_priors(guidances))))
    if lack is None:
        return f"It takes {needs.line()}."
    log.warning("Animate124: this run takes %s. %s", needs.line(), lack)
    return f"It takes {needs.line()}.\n{lack}"


@contextmanager
def loaded_models(guidances: list[Guidance | None]) -> Iterator[None]:
    """Room on the accelerator for a run. Priors that ask models of the host's let go of them, however the run ends."""
    priors = model_priors(guidances)
    encoders = [prior.activation_bytes() for prior in priors]  # one is asked at a time
    room = JOB_BYTES + max(encoders, default=0)
    free_vram([model for prior in priors for model in prior.models()], room)
    try:
        with reserve_vram(room if priors else 0):
            yield
    finally:
        for prior in priors:
            prior.close()


def _less_memory(stage: str, config: StageConfig, native: bool) -> str:
    """What to do when memory ran out. Who asked for it is not known: a render, or a MODEL and its VAE."""
    return f"the {stage} stage is out of memory: {_ways(config, native)}."


def _ways(config: StageConfig, native: bool) -> str:
    """What needs less memory than this run."""
    chunk = config.render.chunk
    smaller = [name for name, rays in MEMORY.items() if rays and (not chunk or rays < chunk)]
    ways = [f"set 'memory' to {' or '.join(smaller)}, with which it goes on from its last step"] if smaller else []
    others = ["give the guidances a smaller 'size' or unplug one"] if native else []
    others.append("take a smaller preset")
    ways.append(f"{', or '.join(others)}, with which it begins anew")
    return "; if that is not enough, ".join(ways)


def _same_memory(snapshot: Snapshot | None, config: StageConfig) -> Snapshot | None:
    """memory changes how a result is reached, not the result: a run may go on with another one."""
    if snapshot is None:
        return None
    kept = snapshot.meta["config"]
    render = {**kept["render"], "chunk": asdict(config)["render"]["chunk"]}
    return replace(snapshot, meta={**snapshot.meta, "config": {**kept, "render": render}})
