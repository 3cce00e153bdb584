"""A model of the user's own wired into the built-in priors, as the host's types have it."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.nodes.guidance.test_model import ball, sequence, splat


def test_a_mesh_or_a_splat_is_the_subject_and_the_prompt_chooses_the_motion(
    nodes: dict, pack_module: Callable
) -> None:
    node = nodes["A124BuiltInPriors"]
    for wires, words in (({"mesh": ball()}, "mesh of 320 faces"), ({"splat": splat()}, "3000 Gaussians")):
        said = node().make(prompt="something bounces", motion="from the prompt", **wires)
        note = said["ui"]["text"][0]
        assert note.startswith("Subject: your 3D model. The model is ")
        assert words in note and "bounce" in note and len(said["result"]) == 5
    made = node().make(prompt="it spins", motion="from the prompt", mesh=ball())["result"][1].prior
    back = pack_module("a124core.cameras.rig").make_cameras(0.0, [180.0])
    shading = pack_module("a124core.protocols").Shading()
    image = made.bank.images(made.items[:1], back, torch.zeros(1), 48, torch.ones(3), shading)[0]
    assert image[0, 0, 24, 34] > 0.8 and image[0, 0, 24, 14] < 0.3  # red is on the right of its back


def test_the_fifth_guidance_is_the_upscaler_in_either_unit(nodes: dict, call_node: Callable) -> None:
    """Its own numbers (priors/defaults.py), and not those of the refine guidance beside it."""
    weights = {}
    for unit in ("raw", "normalised"):
        *_, refine, upscale = call_node(nodes["A124BuiltInPriors"], prompt="a robot is swaying", weight_unit=unit)
        assert "keeps the colours of its condition" in upscale.note and upscale.prior.reads_condition
        assert {item.palette for item in upscale.prior.items} == {"reference", "drifted"}
        assert {item.palette for item in refine.prior.items} == {"reference"}
        weights[upscale.weight_unit] = (refine.weight, upscale.weight)
    assert weights == {"raw": (1e-3, 1e-3), "normalised": (4.0, 0.87)}


def test_bad_models_are_refused_in_a_sentence(nodes: dict, refusal: Callable, reference: Any) -> None:
    node = nodes["A124BuiltInPriors"]
    pole = ball()
    pole.vertices = pole.vertices * torch.tensor([0.05, 2.0, 0.05])
    empty = ball()
    for name in ("vertices", "faces", "vertex_colors"):
        setattr(empty, name, getattr(empty, name)[:, :0])
    for wires, words in (
        ({"mesh": sequence(ball(), ball(0.4))}, "sequence of 2 frames"), ({"mesh": empty}, "no faces"),
        ({"mesh": ball(), "splat": splat()}, "unplug one of them"), ({"splat": "x"}, "came as SPLAT"),
    ):
        with pytest.raises(ValueError, match=words) as refused:
            node().make(prompt="it jumps", motion="from the prompt", **wires)
        assert str(refused.value).endswith(".") and "\n" not in str(refused.value)
    assert "unplug one" in refusal(node, prompt="it jumps", mesh=None, splat=None)
    assert "names no subject" in refusal(node, prompt="it jumps")
    assert refusal(node, prompt="it jumps", mesh=None) == refusal(node, prompt="it jumps", splat=None) == ""


def test_the_sockets_come_last_and_one_that_a_host_does_not_know_is_left_out(
    nodes: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = nodes["A124BuiltInPriors"]
    names = ["reference", "weight_unit", "strength", "speed", "mesh", "splat"]
    assert list(node.INPUT_TYPES()["optional"]) == names
    monkeypatch.setitem(__import__("sys").modules, "comfy_api.latest", SimpleNamespace(Types=SimpleNamespace()))
    assert list(node.INPUT_TYPES()["optional"]) == names[:-1]
