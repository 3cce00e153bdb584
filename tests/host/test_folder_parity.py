"""One set of weights, two ways in: the host's checkpoints with our native guidances, and diffusers folders.

Lowered against a user's run: the depth of the networks and the size of the pictures (see tiny_models.py).
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.host import workflow_models

HERE = Path(__file__).resolve().parent
PARITY = 1e-3  # as in test_native_priors.py; 3e-6 was seen for image and refine


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """All that folder_parity_checks.py measured, by role."""
    python = workflow_models.python_with_diffusers()
    models = tmp_path_factory.mktemp("both-ways")
    workflow_models.write_models(comfyui_path, models)
    done = subprocess.run(
        [python, HERE / "folder_parity_checks.py", comfyui_path, models],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=1800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(next(x for x in done.stdout.splitlines() if x.startswith("REPORT ")).removeprefix("REPORT "))


@pytest.mark.parametrize("role", ["image", "view", "video", "refine"])
def test_both_ways_lead_to_the_same_latents_and_the_same_guess(figures: dict, role: str) -> None:
    found = figures[role]
    assert "error" not in found, found["error"]
    assert found["sigmas"] < 1e-4 and found["latents"] < 1e-4 and found["guess"] < PARITY, found


def test_both_describe_zero123s_picture_alike(figures: dict) -> None:
    """The host enlarges with antialiasing and rounds to 8 bits, Zero123's own program and ours do neither."""
    assert figures["view"]["described"] > 0.99
