"""A124ModelScopeLoader in the real host: listed without files, loads both layouts, offloaded like any MODEL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import figures_of, run_script


@pytest.fixture(scope="module")
def figures(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The figures of modelscope_checks.py in the host's Python."""
    return run_script("modelscope_checks.py", comfyui_path, tmp_path_factory.mktemp("modelscope"))


def test_listed_by_the_server_without_any_file(schemas: dict) -> None:
    node = schemas["A124ModelScopeLoader"]
    assert node["output"] == ["MODEL", "CLIP", "VAE"]
    assert "nothing in models/text2video yet" in str(node["input"]["required"]["model"])


def test_without_files_it_reports_where_they_go(figures: dict) -> None:
    measured = figures_of(figures, "without_files")
    assert measured["listed"] == ["nothing in models/text2video yet"]
    for part in ("elsewhere", "models∕text2video", "text2video_pytorch_model.pth", "open_clip", "VQGAN"):
        assert part in measured["message"]


def test_files_of_both_folders_are_listed_and_companions_are_not(figures: dict) -> None:
    measured = figures_of(figures, "with_files")
    assert len(measured["listed"]) == 3 and not any("clip" in n or "VQGAN" in n for n in measured["listed"])
    assert measured["vaes"] == ["auto", "kl.pt"] and measured["valid"] is True


def test_both_layouts_load_and_agree(figures: dict) -> None:
    measured = figures_of(figures, "both_layouts_load")
    assert measured["finite"] and measured["shape"] == [2, 4, 3, 8, 8] and measured["dtype"] == "torch.float32"
    assert measured["same"] == 0.0, "the two UNets"
    assert measured["same_text"] < 1e-5, "the two text encoders: the last layer is not used"
    assert measured["text"] == [2, 77, 1024] and measured["family"] == "modelscope"
    assert measured["eps"] and abs(measured["sigma_max"] - 14.6146) < 1e-3 and abs(measured["latents"] - 0.18215) < 1e-6
    assert measured["stamp"].count("(") == 3


def test_x0_is_the_equations(figures: dict) -> None:
    assert figures_of(figures, "same_as_the_equation") < 1e-5


def test_cond_and_uncond_together_or_apart(figures: dict) -> None:
    assert figures_of(figures, "halves_apart") < 1e-4


def test_the_hosts_sampler_runs_it(figures: dict) -> None:
    measured = figures_of(figures, "the_hosts_own_sampler")
    assert measured["shape"] == [1, 4, 3, 8, 8] and measured["finite"] and measured["std"] > 0


def test_the_host_loads_and_unloads_it(figures: dict) -> None:
    measured = figures_of(figures, "loaded_and_unloaded")
    assert measured["loaded"] == 1 and measured["left"] == 0 and measured["again"] == 0.0
    assert measured["bytes"] > 20e6 and measured["required"] > 100e6


def test_partly_loaded_gives_the_same(figures: dict) -> None:
    measured = figures_of(figures, "partly_loaded")
    assert measured["cast"] > 100 and measured["error"] < 1e-5


def test_a_still_prompt_is_a_second_text_over_the_same_model(figures: dict) -> None:
    measured = figures_of(figures, "still_prompt")
    assert measured["source"] < 1e-5 < 1e-3 < measured["prior"] and measured["again"] == 0.0
    assert measured["none"] and measured["closed"]


def test_half_precision_weights(figures: dict) -> None:
    measured = figures_of(figures, "half_precision")
    assert measured["dtype"] == "torch.float16" and measured["error"] < 1e-2


def test_weight_patches_and_wrappers_take_effect_and_are_undone(figures: dict) -> None:
    measured = figures_of(figures, "patches_of_the_model")
    assert measured["added"] == 1 and measured["wrapped"] == 1
    assert measured["changed"] > 1e-3 and measured["back"] == 0.0


def test_the_vae_with_and_without_its_wrapping(figures: dict) -> None:
    measured = figures_of(figures, "vae_both_ways")
    assert measured["shape"] == [1, 4, 4, 4] and measured["finite"] and measured["same"] == 0.0


SENTENCES = {
    "dimensions": "1024 dimensions",
    "image": "whole clips",
    "no text": "wire the CLIP",
    "control": "no ControlNet",
    "not beside": "no VAE beside",
    "another model": "not weights of ModelScope",
    "another encoder": "ViT-H",
    "no vae": "VAE of Stable Diffusion",
    "pickled": "more than tensors",
    "gone": "is not in",
    "outside": "is not in",
}


@pytest.mark.parametrize("case", SENTENCES)
def test_bad_input_is_refused(figures: dict, case: str) -> None:
    message = figures_of(figures, "refusals")[case]
    assert message.startswith("ValueError") and SENTENCES[case] in message, message
