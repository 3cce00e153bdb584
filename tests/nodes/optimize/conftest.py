"""The static stage as a node, and a cancel in the middle of it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.nodes.optimize.runs import PROMPT, Cancelled


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
