"""What is counted before a run, against what a small run really holds."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.field.config import BACKBONES, FieldConfig
from a124core.field.field4d import Field4D, from_static, new_field
from a124core.field.layout import parameter_shapes
from a124core.field.occupancy import empty_occupancy, update_occupancy
from a124core.protocols import Guidance, Guidances, ModelPrior, Shading, Step, View
from a124core.render.render import render
from a124core.render.sample import camera_rays, sample_rays
from a124core.runs import memory
from a124core.runs.memory import estimate_memory, graph_bytes, shortfall
from a124core.stages.config import NORMALS, FineConfig, StageConfig
from a124core.stages.presets import preset
from tests.fakes import PixelPrior
from tests.stage_runs import run_stage

FIELD = replace(preset("demo").field, time_grids=5, log2_hashmap_size=12)
PICTURES = {"size": 24, "reference_size": 24, "occupancy_size": 16, "occupancy_slices": 2}
WITHIN = 1.6  # of what a step holds at its most: allocations on the way are not counted
SHARE = 0.36  # of the steps across the cube that are samples in these small scenes


@pytest.fixture(params=sorted({"torch", memory.kernels_on("cpu")}))
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Plain torch, and what is faster here."""
    monkeypatch.setenv("A124_KERNELS", request.param)
    return request.param


class Grey(PixelPrior):
    """Everything is grey."""

    def denoise(self, x_t: Tensor, sigma: Tensor, view: View) -> Tensor:
        return torch.full_like(x_t, 0.5)


def still(config: FieldConfig = FIELD) -> Field4D:
    """The blob that a run begins with, looked at once."""
    rng = torch.Generator().manual_seed(0)
    field = new_field(replace(config, time_grids=1), rng)
    return replace(field, occupancy=update_occupancy(empty_occupancy(16, 1, 1.0), field, 0.6, rng))


def small(config: StageConfig, **picture: object) -> StageConfig:
    """Two steps that look at what guidances judge."""
    picture = replace(config.render, **PICTURES | picture)
    config = replace(config, steps=2, reference_first=0, render=picture)
    if hasattr(config, "time"):
        config = replace(config, time=replace(config.time, frames=4))
    return replace(config, refine_frames=2, condition_size=12) if isinstance(config, FineConfig) else config


def run(stage: str, config: StageConfig, on_step: object = None, grid: FieldConfig = FIELD) -> None:
    image, clip = (Guidance(Grey(clip=clip), 1.0, 0.1, 0.9) for clip in (False, True))
    if stage == "static":
        run_stage(stage, config, Guidances(image=image), grid, on_step=on_step)
    elif stage == "coarse":
        run_stage(stage, config, Guidances(video=clip), still(grid), time_grids=grid, on_step=on_step)
    else:
        moving = from_static(still(grid), grid.time_grids, config.render.occupancy_slices)
        run_stage(stage, config, Guidances(video=clip, refine=image), moving, on_step=on_step)


@pytest.mark.parametrize(
    ("stage", "backbone"),
    [*(("static", backbone) for backbone in BACKBONES), ("coarse", "4D grid"), ("coarse", "HexPlane"),
     ("fine", "tiny-cuda-nn"), ("fine", "HexPlane")],
)
def test_field_optimiser_and_occupancy_are_counted_to_the_byte(stage: str, backbone: str) -> None:
    config, kept, grid = small(getattr(preset("demo"), stage)), [], replace(FIELD, backbone=backbone)

    def keep(step: Step) -> None:
        kept[:] = [step.snapshot().tensors]

    run(stage, config, keep, grid)
    sizes = {name: value.nbytes for name, value in kept[0].items()}
    weights = sum(sizes[name] for name in parameter_shapes(grid))
    moments = sum(size for name, size in sizes.items() if name.startswith("exp_avg"))
    found = estimate_memory(grid, config, [], "torch")
    assert found.field == 2 * weights + moments, "a gradient is as large as what it is of"
    frozen = weights + sizes["occupancy"] if stage == "fine" else 0
    assert found.auxiliary == sizes["occupancy"] + frozen and found.networks == 0


@pytest.mark.parametrize("stage", ["coarse", "fine"])
def test_a_source_adds_the_scene_at_time_0(stage: str) -> None:
    config, clip = small(getattr(preset("demo"), stage)), Guidance(Grey(clip=True), 1.0, 0.1, 0.9)
    field = from_static(still(), FIELD.time_grids, config.render.occupancy_slices)
    frozen = field.at_time_0()
    sizes = [frozen.table.nbytes, frozen.occupancy.grid.nbytes, *(value.nbytes for value in frozen.mlp.values())]
    plain, sourced = (estimate_memory(FIELD, config, [g], "torch") for g in (clip, replace(clip, source=clip.prior)))
    assert sourced.auxiliary - plain.auxiliary == sum(sizes) < field.table.nbytes


def saved_bytes(field: Field4D, frames: int, normals: str | None) -> tuple[float, int]:
    """Memory that the graph of a small render keeps, its parameters left out, and samples in it."""
    field = replace(field, smooth_normals=normals == "differences")
    rng, size = torch.Generator().manual_seed(1), 12
    cameras = make_cameras([0.0] * frames, [20.0] * frames, 1.8, 40.0)
    rays = camera_rays(cameras, torch.linspace(0.1, 0.9, frames), size, torch.rand(frames * size**2, generator=rng))
    found: dict[int, tuple[int, Tensor]] = {}  # the tensor is kept, so that no address is used twice

    def note(value: Tensor) -> Tensor:
        found[value.untyped_storage().data_ptr()] = (value.untyped_storage().nbytes(), value)
        return value

    with torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        samples = sample_rays(rays, field.occupancy.mask(), 96)
        seen = render(field, samples, torch.ones(3), Shading(), normals=normals is not None)
    for weight in field.parameters.values():
        found.pop(weight.untyped_storage().data_ptr(), None)
    return sum(size for size, _ in found.values()), len(seen.samples)


GRAPHS = [(8, 32, "4D grid"), (12, 32, "4D grid"), (6, 64, "4D grid"), (8, 32, "HexPlane"), (6, 64, "HexPlane")]


@pytest.mark.parametrize(("levels", "hidden", "backbone"), [*GRAPHS, (8, 32, "tiny-cuda-nn")])
@pytest.mark.parametrize("normals", [None, *NORMALS])
def test_a_samples_share_of_the_graph_is_what_operations_save(
    levels: int, hidden: int, backbone: str, normals: str | None, kernels: str
) -> None:
    grid = replace(FIELD, levels=levels, hidden=hidden, log2_hashmap_size=8, backbone=backbone)
    field = still(grid).fork()
    found, samples = saved_bytes(field, 1, normals)
    assert found == pytest.approx(samples * graph_bytes(field.config, normals, kernels), rel=0.02)


def held_at_most(stage: str, config: StageConfig) -> int:
    """Bytes, by the allocator's own record."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities, profile_memory=True) as record:
        run(stage, config)
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    now, most = 0, 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(now, most)
    return most


@pytest.mark.parametrize("chunk", [0, 500])
@pytest.mark.parametrize("stage", ["static", "coarse", "fine"])
def test_a_step_holds_about_what_is_estimated(
    stage: str, chunk: int, kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the share of samples that these fogs have in 16 coarse cells a side."""
    for name in ("FILLED", "FOG"):
        monkeypatch.setattr(memory, name, SHARE)
    config = small(getattr(preset("demo"), stage), chunk=chunk)
    estimate = estimate_memory(FIELD, config, [], kernels).total
    peak = held_at_most(stage, config)
    assert peak / WITHIN < estimate < peak * WITHIN, (peak / 2**20, estimate / 2**20)


def test_less_memory_is_counted_where_less_is_asked_for() -> None:
    def most(**picture: object) -> int:
        config = replace(preset("released").coarse, render=replace(preset("released").coarse.render, **picture))
        return estimate_memory(preset("released").field, config, [], "triton").transient

    assert most(chunk=2**12) < most(chunk=2**14) < most(chunk=0)
    assert most(chunk=0, size=64) < most(chunk=0)


class Holds(Grey, ModelPrior):
    """Networks by a number; beside, and rooms for pictures."""

    def __init__(self, stay: dict[int, int], come: int, room: int) -> None:
        super().__init__()
        self.stay, self.come, self.wants = stay, come, room

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        return self.stay, self.come

    def activation_bytes(self) -> int:
        return self.wants


def test_shared_models_count_once_and_one_vae_is_asked_at_a_time() -> None:
    config = small(preset("demo").static, chunk=100)
    first, second, third = Holds({1: 100, 2: 10}, 0, 2**30), Holds({1: 100, 3: 1}, 5, 2**31), Holds({}, 7, 0)
    guidances = [Guidance(prior, 1.0, 0.1, 0.9) for prior in (first, second, third)]
    found = estimate_memory(FIELD, config, [*guidances, None], "torch")
    assert found.networks == 111 + 7
    plain = estimate_memory(FIELD, config, [], "torch")
    assert 2**31 < found.transient < 2**31 + plain.transient
    assert found.total == found.field + found.auxiliary + found.networks + found.transient
    sourced = replace(guidances[0], source=Holds({1: 100, 4: 1000}, 0, 0))
    assert estimate_memory(FIELD, config, [sourced], "torch").networks == 110 + 1000


def test_a_shortage_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda device: 3 * 2**30)
    found = memory.MemoryEstimate(2**30, 2**30, 0, 2**30)
    assert shortfall(found, "cpu", "take less") is None
    more = replace(found, transient=2**31)
    assert shortfall(more, "cpu", "take less") == (
        "That is more than the 3.0 GB that cpu has: if it runs out of memory, take less."
    )
    loaded = replace(found, networks=2**40)
    assert shortfall(loaded, "cpu", "take less") is None, "weights of models are in main memory already"
    assert "take less" in shortfall(loaded, "cuda", "take less")
    monkeypatch.setattr(memory, "free_memory", lambda device: None)
    assert shortfall(more, "cuda", "take less") is None, "nobody says how much there is"


def test_free_memory_counts_what_this_process_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from a124core.utils.device import free_memory

    backend = SimpleNamespace(mem_get_info=lambda device: (5, 100), memory_reserved=lambda device: 7)
    monkeypatch.setattr(torch, "cuda", backend)
    assert free_memory("cuda") == 12
    assert free_memory("cpu") > 0 and free_memory("mps") is None

    def untold(device: str) -> tuple[int, int]:
        raise RuntimeError("The device doesn't support querying the available free memory.")

    monkeypatch.setattr(torch, "xpu", SimpleNamespace(mem_get_info=untold), raising=False)
    assert free_memory("xpu") is None
