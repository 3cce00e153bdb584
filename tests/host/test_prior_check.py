"""A124PriorCheck in the real ComfyUI. Random weights are no denoisers: it must say so, and must not stumble."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.host.test_native_priors import in_host, models  # noqa: F401 (models is a fixture)


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, models: Path) -> dict:  # noqa: F811
    out = in_host("prior_check_checks.py", comfyui_path, models)
    line = next(line for line in out.splitlines() if line.startswith("REPORT "))
    return json.loads(line.removeprefix("REPORT "))


def test_a_model_is_queried_and_closed_with_its_own_cfg(figures: dict) -> None:
    found = figures["image"]
    assert "error" not in found, found["error"]
    right, wrong = found["cfg 101"], found["cfg 1"]
    assert "guidance fails" not in right["report"] and "cfg" not in right["report"].replace("its cfg", "")
    assert "cfg 1 of the image guidance is far off" in wrong["report"]
    assert right["finite"] and right["height"] > 100
    assert not found["open"] and found["cfg"] == 101.0


def test_random_weights_are_no_model(figures: dict) -> None:
    assert "- The image guidance" in figures["image"]["cfg 101"]["report"]


def test_zero123_is_queried_with_its_pose(figures: dict) -> None:
    found = figures["view"]
    assert "error" not in found, found["error"]
    assert "guidance fails" not in found["report"] and "wire a field" in found["report"]
    assert found["finite"] and not found["open"]
