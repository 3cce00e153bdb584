"""Every shipped workflow really runs, without a host: our nodes, the host's leaves left out, sizes and steps
cut, a small film in place of Load Video; workflows that want models are skipped and say so."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.usefixtures("tiny")


def of_type(workflow: dict, name: str) -> list[dict]:
    return sorted((n for n in workflow["nodes"] if n["type"] == name), key=lambda n: n["id"])


def test_the_workflow_runs(workflow: dict, run_workflow: Callable[[dict], dict[int, tuple]]) -> None:
    results = run_workflow(workflow)
    for node in of_type(workflow, "A124Render"):
        image, mask, depth, normal, camera_info = results[node["id"]]
        assert image.shape == (3, 24, 24, 3) and image.isfinite().all()
        assert mask.shape == (3, 24, 24) and len(camera_info) == 3


def test_one_wire_moved_changes_the_motion(workflow: dict, run_workflow: Callable[[dict], dict[int, tuple]]) -> None:
    priors = of_type(workflow, "A124BuiltInPriors")
    if len(priors) < 2:
        pytest.skip("only the rewiring workflow has two priors")
    first = run_workflow(workflow)
    moved = rewired(workflow, priors)
    second = run_workflow(moved)
    coarse, static = (of_type(workflow, f"A124{n}Optimizer")[0]["id"] for n in ("Coarse", "Static"))
    assert torch.equal(first[static][0].table, second[static][0].table), "the shape is not made again"
    assert not torch.equal(first[coarse][0].table, second[coarse][0].table)
    videos = [results[p["id"]][2] for p, results in zip(priors, (first, second), strict=True)]
    assert videos[0].note != videos[1].note


def rewired(workflow: dict, priors: list[dict]) -> dict:
    """The wire from the first priors' video guidance now comes from the second's."""
    moved = deepcopy(workflow)
    wires = [link for link in moved["links"] if link[1] == priors[0]["id"] and link[5] == "A124_VIDEO_GUIDANCE"]
    assert len(wires) == 1, "the exercise is one wire"
    wires[0][1] = priors[1]["id"]
    return moved


def test_a_second_run_takes_the_finished_results(
    workflow: dict, run_workflow: Callable[[dict], dict[int, tuple]], pack_module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_workflow(workflow)

    def never() -> None:
        raise AssertionError("a step was computed again")

    monkeypatch.setattr(pack_module("nodes.optimize.progress").NodeProgress, "on_step", never)
    run_workflow(workflow)
