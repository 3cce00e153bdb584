"""A124ModelScopeLoader in the real host: listed without files, loads both layouts, offloaded like any MODEL."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def found(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What modelscope_checks.py measured in the host's Python."""
    base = tmp_path_factory.mktemp("modelscope")
    script = Path(__file__).with_name("modelscope_checks.py")
    command = [os.environ.get("COMFYUI_PYTHON", sys.executable), "-B", str(script), str(comfyui_path), str(base)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-3000:]
    return json.loads(lines[-1].removeprefix("RESULT "))


def of(found: dict[str, Any], name: str) -> Any:
    assert not str(found[name]).startswith("raised"), found[name]
    return found[name]


def test_listed_by_the_server_without_any_file(schemas: dict) -> None:
    node = schemas["A124ModelScopeLoader"]
    assert node["output"] == ["MODEL", "CLIP", "VAE"]
    assert "nothing in models/text2video yet" in str(node["input"]["required"]["model"])


def test_without_files_it_says_where_they_go(found: dict) -> None:
    measured = of(found, "without_files")
    assert measured["listed"] == ["nothing in models/text2video yet"]
    for part in ("elsewhere", "models/text2video", "text2video_pytorch_model.pth", "open_clip", "VQGAN"):
        assert part in measured["said"]


def test_files_of_both_folders_are_listed_and_companions_are_not(found: dict) -> None:
    measured = of(found, "with_files")
    assert len(measured["listed"]) == 3 and not any("clip" in n or "VQGAN" in n for n in measured["listed"])
    assert measured["vaes"] == ["auto", "kl.pt"] and measured["valid"] is True


def test_both_layouts_load_and_agree(found: dict) -> None:
    measured = of(found, "both_layouts_load")
    assert measured["finite"] and measured["shape"] == [2, 4, 3, 8, 8] and measured["dtype"] == "torch.float32"
    assert measured["same"] == 0.0, "the two UNets"
    assert measured["same_text"] < 1e-5, "the two text encoders: the last layer is not used"
    assert measured["text"] == [2, 77, 1024] and measured["family"] == "modelscope"
    assert measured["eps"] and abs(measured["sigma_max"] - 14.6146) < 1e-3 and abs(measured["latents"] - 0.18215) < 1e-6
    assert measured["stamp"].count("(") == 3


def test_x0_is_the_equations(found: dict) -> None:
    assert of(found, "same_as_the_equation") < 1e-5


def test_cond_and_uncond_together_or_apart(found: dict) -> None:
    assert of(found, "halves_apart") < 1e-4


def test_the_hosts_sampler_runs_it(found: dict) -> None:
    measured = of(found, "the_hosts_own_sampler")
    assert measured["shape"] == [1, 4, 3, 8, 8] and measured["finite"] and measured["std"] > 0


def test_the_host_loads_it_and_puts_it_away(found: dict) -> None:
    measured = of(found, "loaded_and_put_away")
    assert measured["loaded"] == 1 and measured["left"] == 0 and measured["again"] == 0.0
    assert measured["bytes"] > 20e6 and measured["asked"] > 100e6


def test_partly_loaded_gives_the_same(found: dict) -> None:
    measured = of(found, "partly_loaded")
    assert measured["cast"] > 100 and measured["error"] < 1e-5


def test_half_precision_weights(found: dict) -> None:
    measured = of(found, "half_precision")
    assert measured["dtype"] == "torch.float16" and measured["error"] < 1e-2


def test_weight_patches_and_wrappers_take_part_and_leave_no_trace(found: dict) -> None:
    measured = of(found, "patches_of_the_model")
    assert measured["added"] == 1 and measured["wrapped"] == 1
    assert measured["changed"] > 1e-3 and measured["back"] == 0.0


def test_the_vae_with_and_without_its_wrapping(found: dict) -> None:
    measured = of(found, "vae_both_ways")
    assert measured["shape"] == [1, 4, 4, 4] and measured["finite"] and measured["same"] == 0.0


SENTENCES = {
    "width": "1024 wide",
    "picture": "whole clips",
    "no text": "wire the CLIP",
    "control": "no ControlNet",
    "not beside": "no VAE lies beside",
    "another model": "not weights of ModelScope",
    "another encoder": "ViT-H",
    "no vae": "VAE of Stable Diffusion",
    "pickled": "more than weights",
    "gone": "is not in",
    "outside": "is not in",
}


@pytest.mark.parametrize("case", SENTENCES)
def test_bad_input_is_answered_with_a_sentence(found: dict, case: str) -> None:
    said = of(found, "refusals")[case]
    assert said.startswith("ValueError") and SENTENCES[case] in said, said
