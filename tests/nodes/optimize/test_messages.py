"""What an optimizer says: before the first step, during the run, at its end, and of what went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from tests.nodes.optimize.runs import PROMPT, Cancelled

pytestmark = pytest.mark.usefixtures("tiny")


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
