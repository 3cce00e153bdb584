"""Host models as priors, in the real ComfyUI with synthetic checkpoints in the real layouts.

Lowered against a user's run: steps, the size of the pictures, and the depth of the UNets (one level, one block).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
PARITY = 1e-3
PROMPT_SIZE = {"size": 64}


def in_host(script: str, *args: Any) -> str:
    """Run a script of this folder with the host's Python; -> what it printed."""
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    done = subprocess.run(
        [python, str(HERE / script), *map(str, args)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def models(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder of random weights."""
    folder = tmp_path_factory.mktemp("models")
    in_host("tiny_models.py", comfyui_path, folder)
    return folder


@pytest.fixture(scope="session")
def figures(comfyui_path: Path, models: Path) -> dict:
    """All that native_checks.py, native_more_checks.py and native_life_checks.py measured, by check."""
    found = {}
    for script in ("native_checks.py", "native_more_checks.py", "native_life_checks.py"):
        out = in_host(script, comfyui_path, models)
        line = next(line for line in out.splitlines() if line.startswith("REPORT "))
        found |= json.loads(line.removeprefix("REPORT "))
    return found


def of(figures: dict, check: str) -> dict:
    found = figures[check]
    assert "error" not in found, found["error"]
    return found


def test_x0_hat_is_that_of_the_bare_unet(figures: dict) -> None:
    found = of(figures, "image_parity")
    assert found["sides"] < PARITY and found["plain"] < PARITY
    assert found["text matters"] > 0.01, "the side that is seen changes the text"
    assert not found["inference tensor"]


def test_the_sds_gradient_is_that_of_one_autograd_graph(figures: dict) -> None:
    assert of(figures, "sds_gradient")["gradient"] < PARITY


def test_the_private_encoder_is_the_vaes_and_has_an_exact_gradient(figures: dict) -> None:
    found = of(figures, "encoder")
    assert found["values"] < 1e-4 and found["host"] < PARITY
    assert found["gradient"] < 1e-4
    assert not found["copies"], "one copy for each VAE"


def test_two_guidances_share_a_checkpoint(figures: dict) -> None:
    found = of(figures, "sharing")
    assert found["first"] < 1e-5 and found["again"] < 1e-5
    assert found["other"] > 0.01


def test_a_lora_takes_effect_and_stays_with_its_wire(figures: dict) -> None:
    found = of(figures, "lora")
    assert found["changed"] > 0.01
    assert found["bare again"] < 1e-5 and found["lora again"] < 1e-5


def test_patches_and_embeddings_of_the_wired_model_take_effect(figures: dict) -> None:
    found = of(figures, "patches")
    assert found["asked"] and found["changed"] > 0.01
    assert found["word"] > 0.01


def test_weights_of_8_bits_work(figures: dict) -> None:
    found = of(figures, "fp8")
    assert 1e-4 < found["apart"] < 0.3 and found["gradient"] > 0


def test_the_controlnet_sees_each_steps_own_picture(figures: dict) -> None:
    found = of(figures, "control")
    assert max(found["first"], found["second"], found["naive"]) < PARITY
    assert found["control matters"] > 0.01


def test_a_closed_guidance_leaves_nothing_and_opens_again(figures: dict) -> None:
    found = of(figures, "closing")
    assert not found["left behind"] and found["again"] < 1e-5


def test_zero123_is_told_the_published_pose(figures: dict) -> None:
    found = of(figures, "view")
    assert max(found["zero123"], found["stable"]) < PARITY
    assert found["kinds differ"] > 1e-3, "the fourth number counts"


def test_the_upscaler_sees_the_small_picture_and_its_noise(figures: dict) -> None:
    found = of(figures, "upscale")
    assert found["parity"] < PARITY and found["latents"]
    assert found["condition matters"] > 0.01


def test_a_flow_matching_video_model_judges_a_clip(figures: dict) -> None:
    found = of(figures, "flow_clip")
    assert found["parity"] < PARITY and found["latents"] < PARITY
    assert found["frames"] == 2, "4 frames are held to 5, which the VAE makes 2"
    assert found["gradient"] < 0.01, "against a difference quotient"
    assert found["ascending"] and found["sigma max"] < 1e4


def test_modelscope_judges_a_clip_as_one_item(figures: dict) -> None:
    found = of(figures, "modelscope_clip")
    assert found["one item"] and found["parity"] < PARITY and found["gradient"] < PARITY


def test_files_behind_the_texts_of_a_graph_are_looked_at(figures: dict) -> None:
    assert [name for name, right in of(figures, "files").items() if not right] == []


def test_a_learned_word_that_would_be_dropped_is_refused(figures: dict) -> None:
    said = of(figures, "words")
    assert "embedding:nobody is not read" in said["missing"] and "embedding:wide is not read" in said["wide"]
    assert "put a space" in said["glued"] and said["read"] == "NOT REFUSED"


def test_a_control_lora_is_refused(figures: dict) -> None:
    assert "full tile ControlNet" in of(figures, "control_lora")


def test_an_error_while_a_model_is_opened_leaves_nothing_half_open(figures: dict) -> None:
    found = of(figures, "opening")
    for place in ("process_conds", "prepare_sampling", "cast_to_load_options"):
        assert found[place] == "shut" and found[f"{place} again"] < 1e-5, found


def test_room_is_kept_beside_the_models_for_the_whole_job(figures: dict) -> None:
    found = of(figures, "room")
    assert found.pop("requests") >= 4 and all(found.values()), found


def test_the_encoder_keeps_one_block_at_a_time_and_its_gradient_is_the_same(figures: dict) -> None:
    found = of(figures, "encoder_blocks")
    assert found["equal"] and found["gradient"] > 0 and found["share"] < 0.4, found


WRONG = {
    "edit model": "text-to-picture",
    "CLIP width": "wire the CLIP",
    "hooks": "hook nodes",
    "VAE channels": "wire the VAE",
    "no VAE": "Load VAE",
    "no CLIP": "Load CLIP",
    "ControlNet of another family": "tile ControlNet",
}
MORE_WRONG = {
    "edit model as Zero123": "wire a Zero123",
    "no picture": "wire the reference",
    "no CLIP vision": "Load CLIP Vision",
    "picture model as video": "text-to-video",
    "Wan with a CLIP of SD": "wire the CLIP",
    "SD as upscaler": "x4-upscaler",
    "upscaler with SD's VAE": "wire the VAE",
    "another sampling": "connect an eps-",
}


@pytest.mark.parametrize("wire", WRONG)
def test_a_wrong_wire_is_refused_in_a_sentence_that_says_what_to_wire(figures: dict, wire: str) -> None:
    said = of(figures, "refusals")[wire]
    assert WRONG[wire] in said and len(said) < 400


@pytest.mark.parametrize("wire", MORE_WRONG)
def test_a_wrong_wire_of_the_other_guidances_is_refused_too(figures: dict, wire: str) -> None:
    said = of(figures, "more_refusals")[wire]
    assert MORE_WRONG[wire] in said and len(said) < 400


@pytest.fixture
def with_models(host: Any, models: Path) -> Any:
    """The running host, with the synthetic checkpoints in its models folder."""
    for file in (f for f in models.rglob("*") if f.is_file()):
        target = host.base / "models" / file.relative_to(models)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(file)
    return host


def node(class_type: str, **inputs: Any) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def defaults(schemas: dict, class_type: str, **inputs: Any) -> dict:
    """A node of ours with its own defaults, as the frontend fills them in."""
    declared = schemas[class_type]["input"]["required"]
    given = {name: spec[0][0] for name, spec in declared.items() if isinstance(spec[0], list)}
    given |= {name: spec[1]["default"] for name, spec in declared.items() if "default" in spec[1]}
    return node(class_type, **{**given, **inputs})


@pytest.fixture
def static_graph(schemas: dict) -> dict[str, dict]:
    """Load Checkpoint -> image guidance -> static optimizer -> saved field."""
    wires = {"model": ["1", 0], "clip": ["1", 1], "vae": ["1", 2]}
    return {
        "1": node("CheckpointLoaderSimple", ckpt_name="tiny_sd15.safetensors"),
        "2": defaults(schemas, "A124ImageGuidance", **wires, **PROMPT_SIZE),
        "3": defaults(schemas, "A124ExamplePicture"),
        "4": defaults(schemas, "A124Reference", image=["3", 0], mask=["3", 1]),
        "5": defaults(
            schemas, "A124StaticOptimizer", reference=["4", 0], image_guidance=["2", 0], preset="demo", steps=3
        ),
        "9": defaults(schemas, "A124SaveField", field=["5", 0], name="native"),
    }  # fmt: skip


def test_the_static_stage_runs_to_its_end(with_models: Any, static_graph: dict) -> None:
    with_models.run(static_graph, 1200)
    assert list((with_models.base / "output/animate124").glob("native_*.safetensors"))


def test_all_stages_with_native_and_built_in_priors_side_by_side(
    with_models: Any, schemas: dict, static_graph: dict
) -> None:
    wires = {"model": ["1", 0], "clip": ["1", 1], "vae": ["1", 2], "control_net": ["6", 0]}
    graph = {
        **static_graph,
        "6": node("ControlNetLoader", control_net_name="tiny_tile.safetensors"),
        "7": defaults(schemas, "A124RefineGuidance", **wires, **PROMPT_SIZE, prompt="a embedding:tiny_word is dancing"),
        "8": defaults(schemas, "A124BuiltInPriors", reference=["4", 0]),
        "10": defaults(
            schemas, "A124CoarseOptimizer", field=["5", 0], reference=["4", 0], video_guidance=["8", 2],
            preset="demo", steps=1,
        ),
        "11": defaults(
            schemas, "A124FineOptimizer", field=["10", 0], reference=["4", 0], refine_guidance=["7", 0],
            view_guidance=["8", 1], preset="demo", steps=2,
        ),
        "12": node("ImageOnlyCheckpointLoader", ckpt_name="tiny_zero123.ckpt"),
        "13": defaults(
            schemas, "A124ViewGuidance", model=["12", 0], clip_vision=["12", 1], vae=["12", 2], reference=["4", 0],
            **PROMPT_SIZE,
        ),
        "9": defaults(schemas, "A124SaveField", field=["11", 0], name="native-fine"),
    }  # fmt: skip
    graph["5"]["inputs"]["view_guidance"] = ["13", 0]
    with_models.run(graph, 1200)
    assert list((with_models.base / "output/animate124").glob("native-fine_*.safetensors"))
