"""A124PriorCheck in the real ComfyUI. Random weights are no denoisers: it must report that and must not fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

from tests.host.host_python import figures_of, run_script
from tests.host.test_host import node_of
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


def test_the_curve_is_a_picture_of_the_node_and_its_sentence_is_shown(host: Any, cut: Any) -> None:
    prompt = cut("01_quickstart")
    priors, reference = node_of(prompt, "A124BuiltInPriors"), node_of(prompt, "A124Reference")
    wires = {"reference": [reference, 0], "image_guidance": [priors, 0], "video_guidance": [priors, 2]}
    needed = {priors, reference, *_sources(prompt, priors)}
    prompt = {key: node for key, node in prompt.items() if key in needed}
    prompt["90"] = {"class_type": "A124PriorCheck", "inputs": {"size": 64, "embedding": "", "curve": True, **wires}}
    prompt["91"] = {"class_type": "SaveImage", "inputs": {"images": ["90", 2], "filename_prefix": "curve"}}
    entry = host.run(prompt, 600)
    assert entry["status"]["status_str"] == "success", entry["status"]
    assert "asks for its own answer at every noise" in str(entry["outputs"]["90"])
    plot = iio.imread(host.base / "output" / entry["outputs"]["91"]["images"][0]["filename"])
    assert plot.shape[0] > 200 and plot.std() > 10


def _sources(prompt: dict, key: str) -> set[str]:
    """Every node that a node's wires come from."""
    wires = [value[0] for value in prompt[key]["inputs"].values() if isinstance(value, list)]
    return {*wires, *(deeper for wire in wires for deeper in _sources(prompt, wire))}
