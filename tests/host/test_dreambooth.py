"""DreamBooth on a tiny SD 1.5 checkpoint in a real ComfyUI's process; dreambooth_checks.py holds the checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import HERE, figures_of, run_in_host, run_script


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    models = tmp_path_factory.mktemp("dreambooth") / "models"
    run_in_host(HERE / "tiny_models.py", comfyui_path, models)
    return run_script("dreambooth_checks.py", comfyui_path, models)


def test_a_lora_is_learned_and_the_hosts_weights_stay_bit_equal(figures: dict) -> None:
    measured = figures_of(figures, "learns_a_lora_and_leaves_the_host_unchanged")
    assert measured["weights equal"] and measured["file"] == "tiny_robot.safetensors", measured
    assert measured["change"] > 1e-4 and measured["up"] > 1e-4, measured


def test_load_lora_takes_the_file_to_what_the_trained_copy_predicts(figures: dict) -> None:
    measured = figures_of(figures, "learns_a_lora_and_leaves_the_host_unchanged")
    assert measured["loader"] < 1e-6 and measured["copy"] < 0.1, measured
    assert measured["patches"] == measured["projections"] > 8 and measured["unknown"] == [], measured


def test_the_loss_falls(figures: dict) -> None:
    measured = figures_of(figures, "the_loss_falls")
    assert measured["last"] < 0.95 * measured["first"], measured


def test_a_cancelled_run_resumes_to_the_same_lora(figures: dict) -> None:
    assert figures_of(figures, "a_cancelled_run_resumes_to_the_same_lora") == {
        "cancelled": True, "snapshots": 1, "last": 3, "same": True,
    }


WRONG = {"rank": "smallest attention projection has 320", "path": "letters", "taken": "another name",
         "class": "needs a class prompt", "another's": "set resume to restart", "steps": "steps is 0"}


@pytest.mark.parametrize(("case", "advice"), WRONG.items())
def test_wrong_wires_and_names_are_refused(figures: dict, case: str, advice: str) -> None:
    assert advice in figures_of(figures, "wrong_wires_and_names")[case]
