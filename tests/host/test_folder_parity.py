"""One set of weights, two ways in: the host's checkpoints with our native guidances, and diffusers folders.

Lowered against a user's run: the depth of the networks and the size of the images (see tiny_models.py).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import figures_of, python_with_diffusers, run_script
from tests.host.workflow_models import write_models

PARITY = 1e-3  # as in test_native_priors.py; 3e-6 was measured for image and refine


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The figures of folder_parity_checks.py, by role."""
    python_with_diffusers()
    models = tmp_path_factory.mktemp("both-ways")
    write_models(comfyui_path, models)
    return run_script("folder_parity_checks.py", comfyui_path, models)


@pytest.mark.parametrize("role", ["image", "view", "video", "refine"])
def test_both_ways_lead_to_the_same_latents_and_the_same_x0_hat(figures: dict, role: str) -> None:
    measured = figures_of(figures, role)
    assert measured["sigmas"] < 1e-4 and measured["latents"] < 1e-4 and measured["x0_hat"] < PARITY, measured


def test_both_embed_zero123s_image_alike(figures: dict) -> None:
    """The host enlarges with antialiasing and rounds to 8 bits, Zero123's own program and ours do neither."""
    assert figures_of(figures, "view")["embedding"] > 0.99
