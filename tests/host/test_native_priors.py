"""Host models as priors, in the real ComfyUI with synthetic checkpoints in the real layouts.

Lowered against a user's run: steps, the size of the images, and the depth of the UNets (one level, one block).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.host.host_python import HERE, figures_of, run_in_host, run_script
from tests.host.workflow_models import link_models

PARITY = 1e-3
PROMPT_SIZE = {"size": 64}


@pytest.fixture(scope="session")
def models(comfyui_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with random weights."""
    folder = tmp_path_factory.mktemp("models")
    run_in_host(HERE / "tiny_models.py", comfyui_path, folder)
    return folder


@pytest.fixture(scope="session")
def figures(comfyui_path: Path, models: Path) -> dict:
    """The figures of native_checks.py, native_more_checks.py and native_life_checks.py, by check."""
    reports = [run_script(f"native{part}_checks.py", comfyui_path, models) for part in ("", "_more", "_life")]
    return {check: figures for report in reports for check, figures in report.items()}


def test_x0_hat_is_that_of_the_bare_unet(figures: dict) -> None:
    measured = figures_of(figures, "image_parity")
    assert measured["sides"] < PARITY and measured["plain"] < PARITY
    assert measured["text matters"] > 0.01, "the side of the view changes the text"
    assert not measured["inference tensor"]


def test_the_sds_gradient_is_that_of_one_autograd_graph(figures: dict) -> None:
    assert figures_of(figures, "sds_gradient")["gradient"] < PARITY


def test_the_private_encoder_equals_the_vaes_and_has_an_exact_gradient(figures: dict) -> None:
    measured = figures_of(figures, "encoder")
    assert measured["values"] < 1e-4 and measured["host"] < PARITY
    assert measured["gradient"] < 1e-4
    assert not measured["copies"], "one copy for each VAE"


def test_two_guidances_share_a_checkpoint(figures: dict) -> None:
    measured = figures_of(figures, "sharing")
    assert measured["first"] < 1e-5 and measured["again"] < 1e-5
    assert measured["other"] > 0.01


def test_a_lora_takes_effect_and_stays_with_its_wire(figures: dict) -> None:
    measured = figures_of(figures, "lora")
    assert measured["changed"] > 0.01
    assert measured["bare again"] < 1e-5 and measured["lora again"] < 1e-5


def test_patches_and_embeddings_of_the_wired_model_take_effect(figures: dict) -> None:
    measured = figures_of(figures, "patches")
    assert measured["called"] and measured["changed"] > 0.01
    assert measured["embedding"] > 0.01


def test_weights_of_8_bits_work(figures: dict) -> None:
    measured = figures_of(figures, "fp8")
    assert 1e-4 < measured["difference"] < 0.3 and measured["gradient"] > 0


def test_the_controlnet_gets_each_steps_own_image(figures: dict) -> None:
    measured = figures_of(figures, "control")
    assert max(measured["first"], measured["second"], measured["naive"]) < PARITY
    assert measured["control matters"] > 0.01


def test_a_closed_guidance_restores_its_model_and_opens_again(figures: dict) -> None:
    measured = figures_of(figures, "closing")
    assert not measured["left behind"] and measured["again"] < 1e-5


def test_zero123_is_conditioned_on_the_published_pose(figures: dict) -> None:
    measured = figures_of(figures, "view")
    assert max(measured["zero123"], measured["stable"]) < PARITY
    assert measured["kinds differ"] > 1e-3, "the fourth number counts"


def test_the_upscaler_is_conditioned_on_the_low_resolution_image_and_its_noise(figures: dict) -> None:
    measured = figures_of(figures, "upscale")
    assert measured["parity"] < PARITY and measured["latents"]
    assert measured["condition matters"] > 0.01


def test_a_flow_matching_video_model_denoises_a_clip(figures: dict) -> None:
    measured = figures_of(figures, "flow_clip")
    assert measured["parity"] < PARITY and measured["latents"] < PARITY
    assert measured["frames"] == 2, "4 frames are padded to 5, which the VAE encodes to 2"
    assert measured["gradient"] < 0.01, "against a difference quotient"
    assert measured["ascending"] and measured["sigma max"] < 1e4


@pytest.mark.parametrize("family", ["sd3", "qwen_image"])
def test_a_flow_matching_image_model_denoises_renders(figures: dict, family: str) -> None:
    measured = figures_of(figures, family)
    assert measured["parity"] < PARITY and measured["gradient"] > 0.0 and measured["flow"]
    assert measured["sigma max"] < 1e4 and "t_min to 0.3" in measured["advice"]
    assert ("lightning" in measured["advice"]) == ("lightning" in measured["distilled"])


def test_modelscope_denoises_a_clip_as_one_item(figures: dict) -> None:
    measured = figures_of(figures, "modelscope_clip")
    assert measured["one item"] and measured["parity"] < PARITY and measured["gradient"] < PARITY


def test_files_that_texts_of_a_graph_name_are_stamped(figures: dict) -> None:
    assert [name for name, right in figures_of(figures, "files").items() if not right] == []


def test_an_embedding_that_would_be_dropped_is_refused(figures: dict) -> None:
    messages = figures_of(figures, "embeddings")
    assert "embedding:nobody is not read" in messages["missing"] and "embedding:wide is not read" in messages["wide"]
    assert "put a space" in messages["glued"] and messages["read"] == "NOT REFUSED"


def test_a_control_lora_is_refused(figures: dict) -> None:
    assert "full tile ControlNet" in figures_of(figures, "control_lora")


def test_an_error_while_a_model_is_opened_leaves_nothing_half_open(figures: dict) -> None:
    measured = figures_of(figures, "opening")
    for call in ("process_conds", "prepare_sampling", "cast_to_load_options"):
        assert measured[call] == "closed" and measured[f"{call} again"] < 1e-5, measured


def test_vram_is_reserved_beside_the_models_for_the_whole_run(figures: dict) -> None:
    measured = figures_of(figures, "reserved_vram")
    assert measured.pop("requests") >= 4 and all(measured.values()), measured


def test_the_encoder_is_checkpointed_by_block_and_its_gradient_is_the_same(figures: dict) -> None:
    measured = figures_of(figures, "encoder_blocks")
    assert measured["equal"] and measured["gradient"] > 0 and measured["share"] < 0.4, measured


WRONG = {
    "edit model": "text-to-image",
    "CLIP dimensions": "wire the CLIP",
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
    "image model as video": "text-to-video",
    "Wan with a CLIP of SD": "wire the CLIP",
    "SD as upscaler": "x4-upscaler",
    "upscaler with SD's VAE": "wire the VAE",
    "another sampling": "connect an eps-",
}


@pytest.mark.parametrize("wire", WRONG)
def test_a_wrong_wire_is_refused_with_what_to_wire(figures: dict, wire: str) -> None:
    message = figures_of(figures, "refusals")[wire]
    assert WRONG[wire] in message and len(message) < 400


@pytest.mark.parametrize("wire", MORE_WRONG)
def test_a_wrong_wire_of_the_other_guidances_is_refused_too(figures: dict, wire: str) -> None:
    message = figures_of(figures, "more_refusals")[wire]
    assert MORE_WRONG[wire] in message and len(message) < 400


@pytest.fixture
def with_models(host: Any, models: Path) -> Any:
    """The running host, with the synthetic checkpoints in its models folder."""
    link_models(models, host.base)
    return host


def node(class_type: str, **inputs: Any) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def defaults(schemas: dict, class_type: str, **inputs: Any) -> dict:
    """Return a node of ours with its own defaults, as the frontend fills them in."""
    declared = schemas[class_type]["input"]["required"]
    widgets = {name: spec[0][0] for name, spec in declared.items() if isinstance(spec[0], list)}
    widgets |= {name: spec[1]["default"] for name, spec in declared.items() if "default" in spec[1]}
    return node(class_type, **{**widgets, **inputs})


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
    }


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
    }
    graph["5"]["inputs"]["view_guidance"] = ["13", 0]
    with_models.run(graph, 1200)
    assert list((with_models.base / "output/animate124").glob("native-fine_*.safetensors"))
