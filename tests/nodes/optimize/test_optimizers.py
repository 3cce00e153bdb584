"""The three optimizers as nodes: cancel, resume, cache on disk, identity. Core results are tested in tests/core."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("tiny")

PROMPT = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "disc.png"}},
    "2": {"class_type": "A124Reference", "inputs": {"image": ["1", 0], "mask": ["1", 1], "mask_marks": "auto"}},
    "3": {
        "class_type": "A124StaticOptimizer",
        "inputs": {"preset": "auto", "memory": "auto", "steps": 0, "seed": 0, "resume": "auto", "reference": ["2", 0]},
    },
}


class Cancelled(BaseException):
    """As the host's own exception is one since 0.20.1."""


@pytest.fixture
def static(nodes: dict[str, type], call_node: Callable, reference: Any, queued: type) -> Callable:
    def run(**inputs: Any) -> Any:
        given = {"reference": reference, "graph": queued(PROMPT), "unique_id": "3", **inputs}
        return call_node(nodes["A124StaticOptimizer"], **given)[0]

    return run


@pytest.fixture
def cancel_after(pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list]:
    """Press cancel during the n-th step from now; -> the list of steps that were looked at."""
    ui, seen = pack_module("nodes.host.ui"), []

    def arm(steps: int) -> list:
        seen.clear()

        def look() -> None:
            seen.append(len(seen) + 1)
            if len(seen) == steps:
                raise Cancelled

        monkeypatch.setattr(ui, "stop_if_cancelled", look)
        return seen

    return arm


def same(a: Any, b: Any) -> bool:
    return torch.equal(a.table, b.table) and all(torch.equal(a.mlp[k], b.mlp[k]) for k in a.mlp)


def test_a_cancelled_run_goes_on_to_the_same_result(static: Callable, cancel_after: Callable, workspace: Path) -> None:
    whole = static(unique_id=None, graph=None)
    cancel_after(2)
    with pytest.raises(Cancelled):
        static()
    assert len(list(workspace.glob("snapshots/static-*/[ab].safetensors"))) == 1
    seen = cancel_after(0)
    assert same(static(), whole)
    assert seen == [1], "only the third step was left to do"


def test_a_finished_result_is_found_again(static: Callable, cancel_after: Callable, workspace: Path) -> None:
    first = static()
    folder = next(workspace.glob("snapshots/static-*"))
    assert [f.name for f in folder.iterdir()] == ["field.safetensors"], "no optimiser state stays behind"
    seen = cancel_after(0)
    assert same(static(), first) and seen == []
    static(resume="restart")
    assert seen == [1, 2, 3]


def test_memory_changes_the_way_not_the_result(
    static: Callable, cancel_after: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    presets = pack_module("a124core.stages.presets")
    monkeypatch.setitem(presets.MEMORY, "low", 100)  # rays: a picture of the test has 256
    whole = static(graph=None)
    cancel_after(1)
    with pytest.raises(Cancelled):
        static(memory="full")
    cancel_after(0)
    resumed = static(memory="low")
    assert torch.allclose(resumed.table, whole.table, atol=1e-5)
    assert not torch.equal(resumed.table, whole.table), "it was added up in pieces"


def test_a_damaged_snapshot_is_not_used(static: Callable, cancel_after: Callable, workspace: Path) -> None:
    cancel_after(2)
    with pytest.raises(Cancelled):
        static()
    slot = next(workspace.glob("snapshots/static-*/*.safetensors"))
    slot.write_bytes(slot.read_bytes()[:100])
    seen = cancel_after(0)
    static()
    assert seen == [1, 2, 3]


def test_a_full_disk_does_not_end_the_run(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    def full(*args: Any) -> None:
        raise OSError("the disk is full")

    for module in ("a124core.export.checkpoint", "a124core.stages.snapshot"):
        monkeypatch.setattr(pack_module(module), "write_tensors", full)
    assert static().table.isfinite().all()


def test_an_error_leaves_a_snapshot(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    ui, calls = pack_module("nodes.host.ui"), []

    def break_down() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(ui, "stop_if_cancelled", break_down)
    with pytest.raises(torch.OutOfMemoryError, match="set 'memory' to balanced or low.*\nCUDA out of memory") as error:
        static()
    assert "'size'" not in str(error.value), "no guidance asks a model"
    assert len(list(workspace.glob("snapshots/static-*/*.safetensors"))) == 1


@pytest.mark.parametrize("memory", ["full", "low"])
def test_out_of_memory_names_the_guidances_size_where_models_are_asked(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, nodes: dict[str, type],
    call_node: Callable, memory: str,
) -> None:
    """Whatever ran out: the encoder at the guidance's size wants more than a render."""
    guidance = call_node(nodes["A124BuiltInPriors"], prompt="a robot is swaying")[0]
    native = HoldsModels(guidance.prior)

    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", full)
    with pytest.raises(torch.OutOfMemoryError, match="smaller 'size' or unplug one.*begins anew") as error:
        static(image_guidance=replace(guidance, prior=native), memory=memory)
    assert ("set 'memory' to" in str(error.value)) == (memory == "full")
    assert native.closed == 1


class HoldsModels:
    """A prior that lets go of models at the end of a run."""

    def __init__(self, prior: Any) -> None:
        self.prior, self.closed = prior, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.prior, name)

    def models(self) -> list:
        return []

    def weight_bytes(self) -> tuple[dict[int, int], int]:
        return {}, 0

    def activation_bytes(self) -> int:
        return 0

    def close(self) -> None:
        self.closed += 1


def test_the_figures_of_a_run_are_sent_to_the_browser(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []
    monkeypatch.setattr(pack_module("nodes.optimize.progress"), "STATS_SECONDS", 0.0)
    monkeypatch.setattr(pack_module("nodes.host.ui"), "send", lambda event, values: sent.append((event, values)))
    static()
    stats = [values for event, values in sent if event == "animate124.stats"]
    assert [values["step"] for values in stats] == [1, 2, 3]
    assert stats[-1]["stage"] == "static" and stats[-1]["losses"]
    texts = [values["text"].split("\n")[0] for event, values in sent if event == "animate124.text"]
    assert texts == ["Preparing the first step ...", *(f"Step {k} of 3" for k in (1, 2, 3))]
    assert {event for event, _ in sent} == {"animate124.stats", "animate124.text"}
    json.dumps(sent)


def test_a_node_says_who_moves_the_field(
    pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr(pack_module("nodes.host.ui"), "send", lambda _, values: texts.append(values.get("text", "")))
    shown = pack_module("nodes.optimize.progress").NodeProgress("coarse", 2, 0, "7")
    monkeypatch.setattr(pack_module("nodes.optimize.progress"), "STATS_SECONDS", 0.0)
    for number, shares in ((1, {}), (2, {"picture": 0.25, "sds video": 0.75})):
        shown.on_step(SimpleNamespace(step=number, losses={}, gradient_shares=shares))
    said = [text for text in texts if text]
    assert len(said) == 2 and "Gradient" not in said[0]
    assert said[1].split("\n")[1] == "Gradient: picture 25 %, video 75 %."


def test_the_oldest_runs_go_when_the_limit_is_reached(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    store = pack_module("nodes.optimize.store")
    static(seed=1, graph=None)
    old = next(workspace.glob("snapshots/*"))
    os.utime(old, (1, 1))
    monkeypatch.setattr(store, "LIMIT_GB", 1e-9)
    static(seed=2, graph=None)
    left = list(workspace.glob("snapshots/*"))
    assert old not in left and len(left) == 1


def lock_for_another(pack_module: Callable[[str], ModuleType], folder: Path) -> Path:
    """The lock of a run in another process, which is this one under another token."""
    owner = pack_module("a124core.utils.processes").this_process()
    path = folder.with_name(f"{folder.name}.lock")
    path.write_text(json.dumps({"host": owner.host, "pid": owner.pid, "started": owner.started, "token": "other"}))
    return path


def test_the_same_run_in_another_process_is_refused_and_never_trimmed(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    first = static(seed=1, graph=None)
    folder = next(workspace.glob("snapshots/static-*"))
    path = lock_for_another(pack_module, folder)
    with pytest.raises(ValueError, match="the same run is in progress in process .*: wait until it ends"):
        static(seed=1, graph=None, resume="restart")
    assert [f.name for f in folder.iterdir()] == ["field.safetensors"] and path.is_file()
    monkeypatch.setattr(pack_module("nodes.optimize.store"), "LIMIT_GB", 1e-9)
    static(seed=2, graph=None)
    assert folder.is_dir()
    owner = json.loads(path.read_text())
    path.write_text(json.dumps(owner | {"started": owner["started"] - 99.0}))  # a killed one
    (folder / ".new-abcd1234.safetensors").write_bytes(b"half")
    assert same(static(seed=1, graph=None), first)
    assert [f.name for f in folder.iterdir()] == ["field.safetensors"] and not path.exists()


def test_a_finished_field_is_returned_where_nothing_can_be_written(
    nodes: dict[str, type], reference: Any, workspace: Path
) -> None:
    (workspace / "snapshots").parent.mkdir(parents=True, exist_ok=True)
    (workspace / "snapshots").write_text("no folder")
    output = nodes["A124StaticOptimizer"]().optimise("auto", "auto", 0, 0, "auto", reference=reference)
    assert output["result"][0].table.isfinite().all()
    assert "result not kept on disk" in output["ui"]["text"][0]


def test_a_node_says_how_its_run_ended(
    nodes: dict[str, type], reference: Any, cancel_after: Callable, pack_module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch, queued: type,
) -> None:
    said: list[tuple[str, bool]] = []
    say = lambda node, text, running=False, picture=None: said.append((text, running))  # noqa: E731
    monkeypatch.setattr(pack_module("nodes.host.ui"), "show_text", say)
    node, prompt = nodes["A124StaticOptimizer"](), queued(PROMPT)

    def run(resume: str = "auto") -> dict:
        return node.optimise("auto", "auto", 0, 0, resume, reference=reference, graph=prompt, unique_id="3")["ui"]

    cancel_after(1)
    with pytest.raises(Cancelled):
        run("restart")
    assert said[-1] == ("Cancelled at step 1 of 3. Set resume to auto and press Run to go on from there.", False)
    cancel_after(1)
    with pytest.raises(Cancelled):
        run()
    assert said[-1] == ("Cancelled at step 2 of 3. Press Run to go on from there.", False)
    cancel_after(0)
    said.clear()
    done = run()
    assert said[0][0].startswith("Going on from step 2 of 3 ...\nPreset: demo") and said[0][1]
    first, kept = done["text"][0].split("\n")
    assert first.startswith("Done: 3 steps (resumed at 2) in ") and " kB of 8 GB kept in " in kept
    assert done["a124_picture"][0].startswith("data:image/jpeg;base64,") and len(done["a124_picture"][0]) < 15_000
    assert run()["text"][0].startswith("Done: the finished result of an earlier run was found.\n")


def test_an_error_says_at_which_step_and_what_could_not_be_kept(
    nodes: dict[str, type], reference: Any, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    ui = pack_module("nodes.host.ui")
    monkeypatch.setattr(ui, "show_text", lambda node, text, **_: said.append(text))
    monkeypatch.setattr(ui, "stop_if_cancelled", lambda: 1 / 0)

    def full(*args: Any) -> None:
        raise OSError("the disk is full")

    for failing in (False, True):
        if failing:
            monkeypatch.setattr(pack_module("a124core.stages.snapshot"), "write_tensors", full)
        with pytest.raises(ZeroDivisionError):
            nodes["A124StaticOptimizer"]().optimise("auto", "auto", 0, int(failing), "auto", reference=reference)
    whole, lost = (text for text in said if text.startswith("Stopped"))
    assert whole == "Stopped by an error at step 1 of 3. Press Run to go on from there."
    assert lost == "Stopped by an error at step 1 of 3. Snapshot not saved: the disk is full"


def test_all_stages_run_leave_their_input_alone_and_can_do_without_a_guidance(
    nodes: dict[str, type], call_node: Callable, reference: Any
) -> None:
    field = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    before = field.table.clone()
    moving = call_node(nodes["A124CoarseOptimizer"], field=field, reference=reference)[0]
    assert torch.equal(field.table, before) and moving.table.shape[0] == 3
    before = moving.table.clone()
    fine = call_node(nodes["A124FineOptimizer"], field=moving, reference=reference)[0]
    assert torch.equal(moving.table, before) and not torch.equal(fine.table, before)


def test_the_field_config_reaches_both_stages(nodes: dict[str, type], call_node: Callable, reference: Any) -> None:
    config = call_node(nodes["A124FieldConfig"], levels=3, time_grids=5, loop=True)[0]
    field = call_node(nodes["A124StaticOptimizer"], reference=reference, field_config=config)[0]
    assert field.config.levels == 3 and field.config.loop
    moving = call_node(nodes["A124CoarseOptimizer"], field=field, reference=reference, field_config=config)[0]
    assert moving.table.shape[0] == 5 and moving.config.loop


@pytest.mark.parametrize("backbone", ["HexPlane", "tiny-cuda-nn"])
def test_another_backbone_stays_through_all_stages(
    nodes: dict[str, type], call_node: Callable, reference: Any, backbone: str
) -> None:
    """Only Static is wired to it: the later stages keep how the field is stored."""
    config = call_node(nodes["A124FieldConfig"], backbone=backbone, levels=3)[0]
    assert config == {"backbone": backbone, "index_mode": "hash", "levels": 3}
    field = call_node(nodes["A124StaticOptimizer"], reference=reference, field_config=config, preset="demo")[0]
    moving = call_node(nodes["A124CoarseOptimizer"], field=field, reference=reference, preset="demo")[0]
    fine = call_node(nodes["A124FineOptimizer"], field=moving, reference=reference, preset="demo")[0]
    assert [(f.config.backbone, f.config.levels) for f in (field, moving, fine)] == [(backbone, 3)] * 3
    assert not torch.equal(moving.table, fine.table) and fine.front == 0.0


@pytest.mark.parametrize("name", ["A124CoarseOptimizer", "A124FineOptimizer"])
def test_a_moving_stage_draws_its_times_as_the_preset_says_unless_another_sampling_is_chosen(
    nodes: dict[str, type], call_node: Callable, reference: Any, name: str
) -> None:
    """The tests' preset is balanced: choosing that changes nothing, and stratified draws other times of each clip."""
    video = call_node(nodes["A124BuiltInPriors"], prompt="a robot is swaying")[2]
    field = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    if name == "A124FineOptimizer":
        field = call_node(nodes["A124CoarseOptimizer"], field=field, reference=reference)[0]

    def made(**inputs: Any) -> Any:
        return call_node(nodes[name], field=field, video_guidance=video, resume="restart", **inputs)[0]

    usual = made()
    assert same(made(sampling="as the preset"), usual) and same(made(sampling="balanced"), usual)
    assert not same(made(sampling="stratified"), usual)


def test_hexplane_without_a_picture_is_not_told_where_its_camera_should_stand(
    nodes: dict[str, type], call_node: Callable, reference: Any, pack_module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(pack_module("nodes.host.ui"), "show_text", lambda node, text, **_: said.append(text))
    config = call_node(nodes["A124FieldConfig"], backbone="HexPlane")[0]
    image = call_node(nodes["A124BuiltInPriors"], prompt="a robot is swaying")[0]
    for wires, noted in (({"image_guidance": image}, False), ({"reference": reference}, True)):
        said.clear()
        call_node(nodes["A124StaticOptimizer"], preset="demo", field_config=config, **wires)
        assert any("a plane faces it" in text for text in said) == noted


def test_an_index_of_the_4d_grid_is_refused_for_another_backbone(
    nodes: dict[str, type], call_node: Callable, reference: Any
) -> None:
    config = call_node(nodes["A124FieldConfig"], backbone="HexPlane", index_mode="tiled")[0]
    with pytest.raises(ValueError, match="backbone 'HexPlane' has an index of its own: set index_mode to hash"):
        call_node(nodes["A124StaticOptimizer"], reference=reference, field_config=config)


@pytest.mark.parametrize(
    ("name", "words"),
    [(f"A124{name.capitalize()}Optimizer", f"{name} stage") for name in ("static", "coarse", "fine")],
)
def test_everything_unplugged_is_refused(
    nodes: dict[str, type], call_node: Callable, reference: Any, name: str, words: str
) -> None:
    field = {} if "Static" in name else {"field": call_node(nodes["A124StaticOptimizer"], reference=reference)[0]}
    with pytest.raises(ValueError, match=words):
        call_node(nodes[name], **field)


def test_it_trains_in_the_hosts_inference_mode(nodes: dict[str, type], call_node: Callable, reference: Any) -> None:
    with torch.inference_mode():
        field = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    assert not field.table.is_inference()


def test_the_node_says_what_the_run_will_hold_before_it_begins(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ui = [], pack_module("nodes.host.ui")
    monkeypatch.setattr(ui, "show_text", lambda node, text, **_: said.append(text))
    static(graph=None)
    begun, details = said[0].split("\n")
    assert begun == "Preparing the first step ..."
    assert details.startswith("Preset: demo, chosen by auto because no model is among the priors. It takes about")
    assert "field and optimiser" in said[0] and "more than" not in said[0]
    monkeypatch.setattr(pack_module("a124core.runs.memory"), "free_memory", lambda device: 1)
    static(graph=None, seed=1)
    again = [text for text in said if text.startswith("Preparing")][1]
    assert "if it runs out of memory, set 'memory' to balanced or low" in again


def test_every_stage_counts_the_field_that_it_is_given(
    nodes: dict[str, type], call_node: Callable, reference: Any, pack_module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optimizer, found = pack_module("nodes.optimize.run"), []
    count = optimizer.estimate_memory

    def counted(*given: Any) -> Any:
        found.append(count(*given))
        return found[-1]

    monkeypatch.setattr(optimizer, "estimate_memory", counted)
    config = call_node(nodes["A124FieldConfig"], levels=3, time_grids=5)[0]
    field = call_node(nodes["A124StaticOptimizer"], reference=reference, field_config=config)[0]
    moving = call_node(nodes["A124CoarseOptimizer"], field=field, reference=reference, field_config=config)[0]
    call_node(nodes["A124FineOptimizer"], field=moving, reference=reference)
    sizes = [4 * sum(v.nbytes for v in (f.table, *f.mlp.values())) for f in (field, moving, moving)]
    assert [n.field for n in found] == sizes and found[2].auxiliary > found[1].auxiliary


def test_the_bar_is_there_before_the_first_step(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    told, ui, loop = [], pack_module("nodes.host.ui"), pack_module("nodes.optimize.run")
    first = loop.optimise
    monkeypatch.setattr(ui, "progress", lambda total, node: lambda done, picture: told.append((done, total)))

    def begins(*given: Any) -> Any:
        told.append("first step")
        return first(*given)

    monkeypatch.setattr(loop, "optimise", begins)
    static()
    assert told == [(0, 3), "first step", (1, 3), (2, 3), (3, 3), (3, 3)], "the last one brings the picture"
