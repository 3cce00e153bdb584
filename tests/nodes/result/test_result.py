"""Cameras, Render, Save field and Load field."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch


@pytest.fixture
def field(nodes: dict[str, type], call_node: Callable, reference: Any, tiny: None) -> Any:
    still = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    return call_node(nodes["A124CoarseOptimizer"], field=still, reference=reference)[0]


def test_render_gives_the_hosts_images(nodes: dict[str, type], call_node: Callable, field: Any) -> None:
    cameras = call_node(nodes["A124Cameras"])[0]
    image, mask, depth, normal, cameras_of = call_node(
        nodes["A124Render"], field=field, cameras=cameras, frames=2, size=16
    )
    assert [round(info["position"]["z"], 4) for info in cameras_of] == [1.8, -1.8], "half a turn"
    assert image.shape == depth.shape == normal.shape == (2, 16, 16, 3) and mask.shape == (2, 16, 16)
    for images in (image, mask, depth, normal):
        assert images.dtype == torch.float32 and 0 <= images.min() and images.max() <= 1
    black = call_node(nodes["A124Render"], field=field, cameras=cameras, frames=2, size=16, background="black")[0]
    one = call_node(nodes["A124Render"], field=field, cameras=cameras, frames=1, size=16)[4]
    assert one == cameras_of[0], "older nodes take no list"
    assert torch.allclose(image - black, (1 - mask)[..., None].expand(-1, -1, -1, 3), atol=1e-5)


def test_near_is_bright_in_the_depth_image(pack_module: Callable[[str], ModuleType]) -> None:
    mask = torch.tensor([1.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    depth = torch.tensor([1.0, 1.5, 2.0, 0.0]).view(1, 1, 2, 2)
    bright = pack_module("nodes.host.images").to_depth_image(depth, mask).flatten()
    assert torch.allclose(bright, torch.tensor([1.0, 0.6, 0.2, 0.0]))


@pytest.mark.parametrize("kind", ["orbit", "turntable", "reference", "spline"])
def test_every_kind_serves_any_number_of_frames(nodes: dict[str, type], call_node: Callable, kind: str) -> None:
    path = call_node(nodes["A124Cameras"], kind=kind, moment=0.5)[0]
    for frames in (1, 2, 7):
        cameras, time = path(frames)
        assert len(cameras) == len(time) == frames
    assert (time == 0.5).all() if kind == "turntable" else time[-1] == 1.0


def test_the_reference_kind_takes_the_images_camera(
    nodes: dict[str, type], call_node: Callable, picture: tuple[torch.Tensor, torch.Tensor]
) -> None:
    high = call_node(nodes["A124Reference"], image=picture[0], mask=picture[1], elevation=30.0, azimuth=-20.0)[0]
    cameras, _ = call_node(nodes["A124Cameras"], kind="reference", reference=high)[0](3)
    assert cameras.elevation.tolist() == [30.0] * 3 and cameras.azimuth.tolist() == [-20.0] * 3


def test_a_load_3d_camera_gives_the_direction(nodes: dict[str, type], call_node: Callable) -> None:
    info = {"position": {"x": 10.0, "y": 10.0, "z": 0.0}, "target": {"x": 0.0, "y": 0.0, "z": 0.0}}
    cameras, _ = call_node(nodes["A124Cameras"], kind="reference", camera_info=info)[0](1)
    assert cameras.azimuth.item() == pytest.approx(90.0) and cameras.elevation.item() == pytest.approx(45.0)
    assert cameras.radius.item() == pytest.approx(1.8)


@pytest.mark.parametrize("text", ["", "0: 0 0", "0: 0 0\n0: 1 1", "0: 0 0\n1: a b", "0: 0 0\n2: 0 0", "0: 0\n1: 0"])
def test_bad_keyframes_are_refused(nodes: dict[str, type], call_node: Callable, text: str) -> None:
    with pytest.raises(ValueError, match="spline"):
        call_node(nodes["A124Cameras"], kind="spline", keyframes=text)


def test_a_field_is_saved_listed_and_loaded(
    nodes: dict[str, type], call_node: Callable, field: Any, workspace: Path
) -> None:
    save, load = nodes["A124SaveField"], nodes["A124LoadField"]
    call_node(save, field=field)
    call_node(save, field=field, name="cats/tabby")
    files = load.INPUT_TYPES()["required"]["file"][0]
    assert files == ["cats/tabby_00001_.safetensors", "field_00001_.safetensors"], "snapshots are not listed"
    assert torch.equal(call_node(load, file=files[1])[0].table, field.table)
    call_node(save, field=field)
    assert (workspace / "field_00002_.safetensors").is_file() and (workspace / "field_00001_.safetensors").is_file()


def test_nothing_saved_yet_is_no_error(nodes: dict[str, type]) -> None:
    assert nodes["A124LoadField"].INPUT_TYPES()["required"]["file"][0] == []


@pytest.mark.parametrize("name", ["../away", "/tmp/away", "a/../../away", "", "  "])
def test_no_file_leaves_the_output_folder(nodes: dict[str, type], call_node: Callable, field: Any, name: str) -> None:
    with pytest.raises(ValueError, match="use a plain name"):
        call_node(nodes["A124SaveField"], field=field, name=name)


OTHERS = ["../../secret.safetensors", "/etc/passwd", "snapshots/x/field.safetensors", "gone.safetensors"]


@pytest.mark.parametrize("name", OTHERS)
def test_only_listed_files_are_loaded(nodes: dict[str, type], call_node: Callable, workspace: Path, name: str) -> None:
    assert "save a field first" in nodes["A124LoadField"].VALIDATE_INPUTS(name)
    with pytest.raises(ValueError, match="save a field first"):
        call_node(nodes["A124LoadField"], file=name)


def test_a_changed_file_is_loaded_again(nodes: dict, call_node: Callable, field: Any, workspace: Path) -> None:
    call_node(nodes["A124SaveField"], field=field)
    before = nodes["A124LoadField"].IS_CHANGED("field_00001_.safetensors")
    (workspace / "field_00001_.safetensors").write_bytes(b"other")
    assert nodes["A124LoadField"].IS_CHANGED("field_00001_.safetensors") != before


@pytest.mark.parametrize("kind", ["A124LoadField", "A124DiffusersGuidance", "A124ModelScopeLoader"])
def test_a_file_that_is_not_chosen_or_comes_by_a_wire_is_read_each_time(nodes: dict, kind: str) -> None:
    names = nodes[kind].INPUT_TYPES()["required"]
    for values in ({}, dict.fromkeys(names)):  # the host leaves out what a page has no value for
        assert nodes[kind].IS_CHANGED(**values) != nodes[kind].IS_CHANGED(**values)
