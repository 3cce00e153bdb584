"""A124Evaluate with the real ComfyUI's CLIP and CLIP_VISION, made tiny, against transformers' network."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import figures_of, run_script


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    return run_script("evaluate_checks.py", comfyui_path, tmp_path_factory.mktemp("models"))


def test_texts_and_images_are_those_of_the_whole_network(figures: dict) -> None:
    measured = figures_of(figures, "agreement")
    assert measured["missing"] == [] and measured["second"] == 2
    assert measured["text"] == pytest.approx(1.0, abs=1e-3)  # cosines
    assert measured["image"] == pytest.approx([1.0, 1.0], abs=1e-3)
    assert measured["label"] == "ViT of width 32/14 (CLIP_VISION)" and not measured["is_paper"]


def test_the_node_runs_in_the_hosts_inference_mode(figures: dict) -> None:
    measured = figures_of(figures, "node")
    assert measured["finite"] and all(name in measured["table"] for name in ("CLIP-R", "CLIP-T", "CLIP-F", "Janus"))


def test_a_clip_without_a_projection_is_refused(figures: dict) -> None:
    assert "no projection of its texts" in figures_of(figures, "no_projection")["refused"]
