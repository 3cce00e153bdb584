"""The three optimizers as nodes: stages, field config, memory. Core results are tested in tests/core."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.nodes.optimize.runs import same

pytestmark = pytest.mark.usefixtures("tiny")


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
