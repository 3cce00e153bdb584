"""The prior check through its node: from the host's inference mode, and with the models closed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch


@pytest.fixture
def view(nodes: dict[str, type], call_node: Callable, reference: Any) -> Any:
    return call_node(nodes["A124BuiltInPriors"], prompt="a toy is swaying", reference=reference)[1]


def test_it_returns_a_sheet_and_a_report_without_warnings(
    nodes: dict[str, type], reference: Any, view: Any, pack_module: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    monkeypatch.setattr(pack_module("nodes.host.ui"), "show_text", lambda node_id, text, **_: texts.append(text))
    with torch.inference_mode():
        output = nodes["A124PriorCheck"]().check(32, "", reference=reference, view_guidance=view, unique_id="7")
    sheet, report, curve = output["result"]
    assert curve.ndim == 4 and curve.shape[-1] == 3 and "exact" not in report
    assert sheet.ndim == 4 and sheet.shape[0] == 1 and sheet.shape[-1] == 3
    assert report.startswith("Nothing suspicious.") and texts[-1] == report and output["ui"]["text"] == [report]


def test_the_curve_is_measured_on_request(
    nodes: dict[str, type], call_node: Callable, reference: Any, view: Any
) -> None:
    off, on = (call_node(nodes["A124PriorCheck"], reference=reference, view_guidance=view, size=32, curve=curve)
               for curve in (False, True))
    assert "The view guidance is exact: it asks for its own answer at every noise." in on[1]
    assert torch.equal(off[0], on[0]) and not torch.equal(off[2], on[2])


def test_models_are_closed_and_a_missing_embedding_is_named(
    nodes: dict[str, type], call_node: Callable, reference: Any, view: Any, pack_module: Callable
) -> None:
    class Failing(pack_module("a124core.protocols").ModelPrior):
        sigmas, cameras, closed = view.prior.sigmas, view.prior.cameras, 0
        encode = staticmethod(view.prior.encode)

        def denoise(self, x_t: torch.Tensor, sigma: torch.Tensor, view: Any) -> torch.Tensor:
            raise RuntimeError("the shapes of the model do not fit")

        def models(self) -> list:
            return []

        def activation_bytes(self) -> int:
            return 0

        def close(self) -> None:
            self.closed += 1

    prior = Failing()
    guidance = replace(view, prior=prior, note="a panda is dancing")
    _, report, _ = call_node(
        nodes["A124PriorCheck"], reference=reference, refine_guidance=guidance, embedding="embedding:my_panda", size=32
    )
    assert "The refine guidance fails: the shapes" in report and "embedding:my_panda" in report
    assert prior.closed == 1


@pytest.mark.usefixtures("tiny")
def test_it_renders_a_field(nodes: dict[str, type], call_node: Callable, reference: Any, view: Any) -> None:
    field = call_node(nodes["A124StaticOptimizer"], reference=reference)[0]
    sheet, report, _ = call_node(nodes["A124PriorCheck"], reference=reference, field=field, view_guidance=view, size=32)
    assert sheet.shape[1] > 300 and "not checked" not in report  # three rows


def test_a_cancel_stops_it_between_queries(
    nodes: dict[str, type], call_node: Callable, reference: Any, view: Any, pack_module: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Interrupted(Exception):
        pass

    def cancelled() -> None:
        raise Interrupted

    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", cancelled)
    with pytest.raises(Interrupted):
        call_node(nodes["A124PriorCheck"], reference=reference, view_guidance=view, size=32)
