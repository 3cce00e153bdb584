"""`calibrate` on a guidance, through the optimizer that carries it out: from one query of the node to its text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch

from benchmarks.echo_prior import EchoPrior

pytestmark = pytest.mark.usefixtures("tiny")


@pytest.fixture
def echo(nodes: dict[str, type], call_node: Callable, reference: Any) -> Any:
    """A view guidance that rests at .4 of the contrast, and at all of it with cfg 5."""
    view = call_node(nodes["A124BuiltInPriors"], prompt="a toy is swaying", reference=reference)[1]
    return replace(view, prior=EchoPrior(view.prior, 0.2, 2.0), t_max_end=None)


def run(nodes: dict[str, type], reference: Any, guidance: Any, stage: str = "Static", **inputs: Any) -> dict:
    node = nodes[f"A124{stage}Optimizer"]()
    widgets = {"preset": "demo", "memory": "auto", "steps": 0, "seed": 0, "resume": "auto"}
    with torch.inference_mode():
        return node.optimise(**widgets, reference=reference, view_guidance=guidance, **inputs)


def test_the_optimizer_chooses_and_says_what(
    nodes: dict[str, type], reference: Any, echo: Any, pack_module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    optimizer, used = pack_module("nodes.optimize.run"), []
    optimise = optimizer.optimise
    monkeypatch.setattr(optimizer, "optimise", lambda *a: used.append(a[3].view.prior.cfg) or optimise(*a))
    off = run(nodes, reference, echo)
    on = run(nodes, reference, replace(echo, calibrate=True))
    assert "calibrated" not in off["ui"]["text"][0] and used[0] == 2.0
    said = re.search(r"The view guidance is calibrated: cfg ([\d.]+) in place of 2,", on["ui"]["text"][0])
    assert said and float(said[1]) == used[1] == pytest.approx(5.0, rel=0.2)
    assert not torch.equal(off["result"][0].table, on["result"][0].table)
    moving = run(nodes, reference, replace(echo, calibrate=True), "Coarse", field=on["result"][0])
    assert "The view guidance is calibrated" in moving["ui"]["text"][0]


def test_the_widget_sets_the_flag(
    nodes: dict[str, type], pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes["A124ImageGuidance"], "prior", staticmethod(lambda *a, **k: EchoPrior(None, 0.1, 2.0)))
    monkeypatch.setattr(pack_module("nodes.guidance.text_models"), "advice", lambda *a: [])
    wires = {"model": None, "clip": None, "vae": None, "prompt": "a fox", "cfg": 101.0, "weight": 1.0, "t_min": 0.2,
             "t_max": 0.6, "size": 64}
    for calibrate in (False, True):
        guidance = nodes["A124ImageGuidance"]().make(**wires, calibrate=calibrate)["result"][0]
        assert guidance.calibrate is calibrate
    assert nodes["A124ImageGuidance"].INPUT_TYPES()["optional"]["calibrate"][1]["default"] is False
