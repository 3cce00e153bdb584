"""Textual inversion on a tiny SD 1.5 checkpoint in a real ComfyUI's process; inversion_checks.py holds the checks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    models = tmp_path_factory.mktemp("inversion") / "models"
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    for script in ("tiny_models.py", "inversion_checks.py"):
        done = subprocess.run(
            [python, str(HERE / script), str(comfyui_path), str(models)], capture_output=True, text=True, timeout=1200
        )
        assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_a_word_is_learned_and_the_hosts_weights_stay_bit_equal(figures: dict) -> None:
    found = figures["learns_a_word_and_leaves_the_host_alone"]
    assert found.get("weights equal") and found["finite"], found
    assert found["token"] == "embedding:tiny_robot" and found["shape"] == [1, 768]
    assert found["moved"] > 1e-3 and found["prompt changes"] > 1e-4, found


def test_the_private_copies_say_what_the_host_says(figures: dict) -> None:
    found = figures["copies_say_what_the_host_says"]
    assert found.get("text", 1) < 1e-3 and found["x0"] < 1e-3, found
    assert found["gradient"] > 0 and found["checkpointed gradient"] < 1e-4, found


def test_a_cancelled_run_goes_on_to_the_same_word(figures: dict) -> None:
    assert figures["a_cancelled_run_goes_on_to_the_same_word"] == {
        "cancelled": True, "snapshots": 1, "steps left": 1, "same": True,
    }  # fmt: skip


def test_a_lora_on_the_wire_takes_part(figures: dict) -> None:
    assert figures["a_lora_takes_part"].get("change", 0) > 1e-4, figures["a_lora_takes_part"]


def test_an_attention_patch_meets_its_own_block_also_in_the_gradient(figures: dict) -> None:
    found = figures["attention_patches_meet_their_block"]
    assert found.get("twice") and found["gradient"] < 1e-4 and found["blocks"] >= 3, found


def test_a_clip_of_another_width_is_refused_before_anything_is_copied(figures: dict) -> None:
    found = figures["a_narrow_clip_is_refused_before_anything_is_copied"]
    assert "words are 512 wide" in found.get("said", "") and found["copied"] == 0, found


WRONG = {"empty": "plain word", "path": "letters", "taken": "another name", "another's": "set resume to restart"}


@pytest.mark.parametrize(("what", "words"), WRONG.items())
def test_words_that_cannot_work_are_refused(figures: dict, what: str, words: str) -> None:
    assert words in figures["words_that_cannot_work"].get(what, ""), figures["words_that_cannot_work"]
