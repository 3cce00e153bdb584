"""What the three optimizers share: widgets, presets, memory, and a run that can be watched, cancelled and resumed."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...a124core.field.config import FieldConfig
from ...a124core.field.field4d import Field4D
from ...a124core.field.hexplane import facing_note
from ...a124core.prior_check.calibrate import calibrate, scene_views, to_calibrate
from ...a124core.protocols import FieldLostError, Guidances, Run, Step
from ...a124core.reference.reference import Reference
from ...a124core.runs.advice import less_memory, out_of_memory_advice
from ...a124core.runs.memory import estimate_memory, kernels_on, model_priors, shortfall
from ...a124core.runs.monitor import Intervals, RunMonitor
from ...a124core.runs.store import RunStore
from ...a124core.stages.config import Preset, StageConfig
from ...a124core.stages.optimise import initial_field, optimise, used_guidances
from ...a124core.stages.presets import MEMORY, PRESETS, auto_preset, describe_preset, preset
from ...a124core.stages.snapshot import Snapshot
from ...a124core.utils.device import is_out_of_memory
from ..host import ui
from ..host.cache_key import Graph, cache_keys
from ..host.memory import host_device, loaded_models
from .progress import NodeProgress
from .store import RESULT, exclusive, open_store, trim, usage

log = logging.getLogger(__name__)
INTERVALS = Intervals(preview=3.0, preview_share=20.0, preview_last=True)  # seconds


def widgets() -> dict[str, tuple]:
    """The five widgets, in their final order. New ones are appended after them, never before."""
    return {
        "preset": (list(PRESETS), {"default": "auto", "tooltip": (
            "The recipe. auto: demo when no model is among the priors, else draft. demo: minutes on a CPU. good: "
            "larger images than demo, ten minutes or so on a CPU; models need weight_unit normalised. draft: short, "
            "on a GPU; not timed yet. released: the settings of the authors' published code. paper: those of the "
            "paper. In both the picture counts more than was written; released_as_written and paper_as_printed keep "
            "its weights."
        )}),
        "memory": (["auto", *MEMORY], {"default": "auto", "tooltip": (
            "How much is rendered at a time, with the same result: low needs the least memory and is slowest. auto is "
            "fine. Connected models stay where they are."
        )}),
        "steps": ("INT", {"default": 0, "min": 0, "max": 1_000_000, "tooltip": (
            "Steps of optimisation. 0: as many as the preset says."
        )}),
        "seed": ("INT", {
            "default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": False,
            "tooltip": (
                "Same seed, threads and backend, same result. It stays as it is after a run, so that a second Run "
                "costs nothing."
            ),
        }),
        "resume": (["auto", "restart"], {"default": "auto", "tooltip": (
            "auto: go on from the snapshot of an interrupted run with the same inputs, or take its finished result. "
            "restart: forget both and begin again."
        )}),
    }


@dataclass(frozen=True)
class NodeRun:
    """One execution of an optimizer node: what its widgets say, and who it is in the host's graph."""

    stage: str
    preset: str  # what the widget says
    seed: int
    resume: str
    graph: Graph | None = None
    node_id: str | None = None


def chosen_preset(name: str, guidances: Guidances) -> Preset:
    """Return the preset's numbers; auto depends on what is connected."""
    return preset(auto_preset(guidances) if name == "auto" else name)


def run(
    node: NodeRun,
    field: Field4D | None,  # of the stage before
    field_config: FieldConfig,  # see initial_field
    reference: Reference | None,
    guidances: Guidances,
    config: StageConfig,
) -> dict[str, Any]:
    """Take the finished result of the same inputs, or continue from their snapshot, or begin; return the node's output,
    with what it shows."""
    inputs = {  # where there is no graph
        "field": field, "grid": field_config, "config": config, "seed": node.seed, "guidances": guidances,
    }
    keys = cache_keys(node.graph, node.node_id, node.stage, reference, inputs)
    store = open_store(f"{node.stage}-{keys[0]}", former=f"{node.stage}-{keys[-1]}")
    with exclusive(store):
        if node.resume == "restart":
            shutil.rmtree(store.folder, ignore_errors=True)
        elif (finished := store.usable_result(RESULT)) is not None:
            return ui.output(f"Done: the finished result of an earlier run was found.\n{usage(store)}", finished)
        snapshot = store.newest()
        progress = NodeProgress(node.stage, config.steps, 0 if snapshot is None else snapshot.step, node.node_id)
        monitor = RunMonitor(progress, lambda step: _save(store, step), INTERVALS)
        settings = Run(node.seed, host_device(), monitor.on_step, snapshot, lambda step: _saved(store, step))
        with _advice(node.stage, guidances, config):
            guidances, calibrated = _calibrated(node, field, reference, guidances, config)
        with loaded_models(guidances), _advice(node.stage, guidances, config):
            estimate = _memory_text(field_config, guidances, config)
            facing = "" if reference is None else facing_note(field_config, float(reference.camera.azimuth[0]))
            details = " ".join(filter(None, (describe_preset(node.preset, guidances), estimate, facing)))
            progress.begin("\n".join(filter(None, (details, calibrated))))
            again = "Set resume to auto and press Run" if node.resume == "restart" else "Press Run"
            # a snapshot of a lost field would only be lost again
            with progress.showing_stop(again), monitor.saving_on_error(FieldLostError):
                start = initial_field(node.stage, field, field_config, config, node.seed)
                result = optimise(node.stage, start, reference, guidances, config, settings)
        last = _finish(store, result) or usage(store)
        return progress.output("\n".join(filter(None, (last, calibrated))), result)


def _calibrated(
    node: NodeRun, field: Field4D | None, reference: Reference | None, guidances: Guidances, config: StageConfig
) -> tuple[Guidances, str]:
    """Return the guidances with the numbers of those that request it chosen on the scene as it is, and what was chosen.

    A run that goes on chooses again, from the same inputs and noise."""
    used = used_guidances(node.stage, guidances)
    if not to_calibrate(used):
        return guidances, ""
    views = scene_views(reference, field, config.render.size, host_device())
    with loaded_models(used):
        chosen = calibrate(used, views, node.seed, host_device(), ui.progress_callback(node.node_id))
    return chosen.apply(guidances), " ".join(chosen.notes)


def _save(store: RunStore, step: Step) -> int:
    size = store.save(step.snapshot())
    trim(store)
    return size


def _saved(store: RunStore, step: int) -> Snapshot | None:
    return store.newest(lambda snapshot: snapshot.step <= step)


def _finish(store: RunStore, result: Field4D) -> str | None:
    """Keep the result; return the reason if it cannot be kept, which ends no run."""
    try:
        store.finish(RESULT, result)
    except Exception as error:  # whatever it is, hours of work go on to the next node
        log.warning("Animate124: finished field not kept: %s", error)
        return f"result not kept on disk: {error}"
    trim(store)
    return None


@contextmanager
def _advice(stage: str, guidances: Guidances, config: StageConfig) -> Iterator[None]:
    """Add what needs less memory to an out-of-memory error, which stays of its kind: the host then frees its models."""
    try:
        yield
    except BaseException as error:
        if is_out_of_memory(error):
            advice = out_of_memory_advice(f"the {stage} stage", *_less_memory(config, guidances))
            error.args = (f"{advice}\n{error}",)
        raise


def _memory_text(field_config: FieldConfig, guidances: Guidances, config: StageConfig) -> str:
    """Say how much memory the run needs, and what to do where that is more than there is. This never ends a run."""
    try:
        device = host_device()
        estimate = estimate_memory(field_config, config, guidances, kernels_on(device))
        lack = shortfall(estimate, device, less_memory(*_less_memory(config, guidances)))
    except Exception:  # whatever a driver or a prior of another pack may say
        log.exception("Animate124: how much memory this run takes could not be estimated; it goes on.")
        return ""
    if lack is None:
        return f"It takes {estimate.line()}."
    log.warning("Animate124: this run takes %s. %s", estimate.line(), lack)
    return f"It takes {estimate.line()}.\n{lack}"


def _less_memory(config: StageConfig, guidances: Guidances) -> tuple[list[str], list[str]]:
    """What needs less memory: to continue with, to begin anew with. What asked for it is not known: a render, or a
    MODEL and its VAE."""
    chunk = config.render.chunk
    smaller = [name for name, rays in MEMORY.items() if rays and (not chunk or rays < chunk)]
    resuming = [f"set 'memory' to {' or '.join(smaller)}"] if smaller else []
    models = ["give the guidances a smaller 'size' or unplug one"] if model_priors(guidances) else []
    return resuming, [*models, "take a smaller preset"]
