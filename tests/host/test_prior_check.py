"""A124PriorCheck in the real ComfyUI. Random weights are no denoisers: it must report that and must not fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import figures_of, run_script
from tests.host.test_native_priors import models  # noqa: F401 (a fixture)


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, models: Path) -> dict:  # noqa: F811
    return run_script("prior_check_checks.py", comfyui_path, models)


def test_a_model_is_queried_and_closed_with_its_own_cfg(figures: dict) -> None:
    measured = figures_of(figures, "image")
    right, wrong = measured["cfg 101"], measured["cfg 1"]
    assert "guidance fails" not in right["report"] and "cfg" not in right["report"].replace("its cfg", "")
    assert "cfg 1 of the image guidance is far off" in wrong["report"]
    assert right["finite"] and right["height"] > 100
    assert not measured["open"] and measured["cfg"] == 101.0


def test_random_weights_are_no_model(figures: dict) -> None:
    assert "- The image guidance" in figures["image"]["cfg 101"]["report"]


def test_zero123_is_queried_with_its_pose(figures: dict) -> None:
    measured = figures_of(figures, "view")
    assert "guidance fails" not in measured["report"] and "wire a field" in measured["report"]
    assert measured["finite"] and not measured["open"]


def test_calibrate_measures_a_model_that_was_never_opened_and_closes_it(figures: dict) -> None:
    measured = figures_of(figures, "calibrated")
    assert measured["queries"] == 33 and len(measured["notes"]) == 1
    assert not measured["open"] and not measured["open after"] and measured["cfg"] == 7.5
    assert "alibrated" in measured["notes"][0] and 2.0 <= measured["chosen"] <= 300.0
