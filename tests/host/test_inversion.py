"""Textual inversion on a tiny SD 1.5 checkpoint in a real ComfyUI's process; inversion_checks.py holds the checks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import HERE, figures_of, run_in_host, run_script


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    models = tmp_path_factory.mktemp("inversion") / "models"
    run_in_host(HERE / "tiny_models.py", comfyui_path, models)
    return run_script("inversion_checks.py", comfyui_path, models)


def test_an_embedding_is_learned_and_the_hosts_weights_stay_bit_equal(figures: dict) -> None:
    measured = figures_of(figures, "learns_an_embedding_and_leaves_the_host_unchanged")
    assert measured["weights equal"] and measured["finite"], measured
    assert measured["token"] == "embedding:tiny_robot" and measured["shape"] == [1, 768]
    assert measured["moved"] > 1e-3 and measured["prompt changes"] > 1e-4, measured


def test_the_copies_equal_the_host(figures: dict) -> None:
    measured = figures_of(figures, "copies_equal_the_host")
    assert measured["text"] < 1e-3 and measured["x0"] < 1e-3, measured
    assert measured["gradient"] > 0 and measured["checkpointed gradient"] < 1e-4, measured


def test_a_cancelled_run_resumes_to_the_same_embedding(figures: dict) -> None:
    assert figures["a_cancelled_run_resumes_to_the_same_embedding"] == {
        "cancelled": True, "snapshots": 1, "steps left": 1, "same": True,
    }


def test_a_lora_on_the_wire_takes_effect(figures: dict) -> None:
    assert figures_of(figures, "a_lora_takes_effect")["change"] > 1e-4


def test_an_attention_patch_gets_its_own_block_also_in_the_gradient(figures: dict) -> None:
    measured = figures_of(figures, "attention_patches_get_their_block")
    assert measured["twice"] and measured["gradient"] < 1e-4 and measured["blocks"] >= 3, measured


def test_a_clip_of_other_dimensions_is_refused_before_anything_is_copied(figures: dict) -> None:
    measured = figures_of(figures, "a_clip_of_other_dimensions_is_refused_before_anything_is_copied")
    assert "embeddings have 512 dimensions" in measured["message"] and measured["copied"] == 0, measured


WRONG = {"empty": "plain word", "path": "letters", "taken": "another name", "another's": "set resume to restart"}


@pytest.mark.parametrize(("case", "advice"), WRONG.items())
def test_invalid_names_and_words_are_refused(figures: dict, case: str, advice: str) -> None:
    assert advice in figures_of(figures, "invalid_names_and_words")[case]
