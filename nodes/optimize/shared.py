"""What the three optimizers share: widgets, presets, memory, and a run that can be watched, cancelled and resumed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

from ...a124core.field.field4d import Field4D
from ...a124core.protocols import Guidance, Guidances, Run
from ...a124core.reference.reference import Reference, camera_of
from ...a124core.runs.memory import estimate_memory, kernels_on, model_priors, shortfall
from ...a124core.stages.config import Preset, StageConfig
from ...a124core.stages.loop import FieldLostError
from ...a124core.stages.optimise import optimise
from ...a124core.stages.presets import MEMORY, PRESETS, auto_preset, describe_preset, preset
from ...a124core.stages.snapshot import Snapshot
from ...a124core.utils.device import is_out_of_memory
from ..host import ui
from ..host.folders import output_folder
from ..host.memory import JOB_BYTES, free_vram, host_device, reserve_vram
from .cache_key import Graph, cache_key
from .keep import Keep
from .watch import Watch

log = logging.getLogger(__name__)


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
    node: NodeRun, field: Field4D, reference: Reference | None, guidances: Guidances, config: StageConfig
) -> Field4D:
    """Take the finished result of the same inputs, or continue from their snapshot, or begin."""
    inputs = {"field": field, "config": config, "seed": node.seed, "guidances": guidances}  # where there is no graph
    name = f"{node.stage}-{cache_key(node.graph, node.node_id, node.stage, reference, inputs)}"
    keep = Keep(output_folder() / "snapshots" / name)
    if node.resume == "restart":
        keep.clear()
    elif (done := keep.finished()) is not None:
        ui.show_text(node.node_id, f"Found the finished result of an earlier run.\n{keep.used()}")
        return done
    start = _same_memory(keep.newest(), config)
    watch = Watch(node.stage, config.steps, 0 if start is None else start.step, keep, node.node_id)
    with loaded_models(guidances):
        estimate = _memory_text(node.stage, field, reference, guidances, config)
        watch.begin(f"{describe_preset(node.preset, guidances)} {estimate}".rstrip())
        try:
            settings = Run(node.seed, host_device(), watch.on_step, start)
            result = optimise(node.stage, field, reference, guidances, config, settings)
        except FieldLostError:  # a snapshot of it would only be lost again
            raise
        except BaseException as error:  # cancelled, out of memory, Ctrl-C: the last good step must survive
            watch.save_last()
            if is_out_of_memory(error):
                # still of its kind, so that the host frees its models
                error.args = (f"{_less_memory(node.stage, config, bool(model_priors(guidances)))}\n{error}",)
            raise
    problem = keep.finish(result)
    ui.show_text(node.node_id, f"{watch.summary()}\n{problem or keep.used()}")
    return result


def _memory_text(
    stage: str, field: Field4D, reference: Reference | None, guidances: Guidances, config: StageConfig
) -> str:
    """Say how much memory the run needs, and what to do where that is more than there is. This never ends a run."""
    try:
        start = None if stage == "static" else field
        device = host_device()
        estimate = estimate_memory(field.config, config, guidances, kernels_on(device), camera_of(reference), start)
        lack = shortfall(estimate, device, _ways(config, bool(model_priors(guidances))))
    except Exception:  # whatever a driver or a prior of another pack may say
        log.exception("Animate124: how much memory this run takes could not be estimated; it goes on.")
        return ""
    if lack is None:
        return f"It takes {estimate.line()}."
    log.warning("Animate124: this run takes %s. %s", estimate.line(), lack)
    return f"It takes {estimate.line()}.\n{lack}"


@contextmanager
def loaded_models(guidances: Iterable[Guidance | None]) -> Iterator[None]:
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
