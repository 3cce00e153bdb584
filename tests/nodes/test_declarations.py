"""What users see, and what saved workflows rely on."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Saved workflows store widget values by position: append to these lists, never insert, rename or remove.
WIDGETS = {
    "A124ExamplePicture": ["subject"],
    "A124Reference": ["mask_marks", "recentre", "elevation", "azimuth", "radius", "fovy"],
    "A124BuiltInPriors": ["prompt", "motion", "weight_unit", "strength", "speed"],
    "A124ClipGuidance": ["mask_marks", "size", "weight", "t_min", "t_max", "weight_unit"],
    "A124ModelGuidance": [
        "align", "azimuth", "elevation", "scale", "x", "y", "size", "weight", "t_min", "t_max", "weight_unit",
    ],
    "A124ImageGuidance": ["prompt", "cfg", "weight", "t_min", "t_max", "size", "weight_unit", "calibrate"],
    "A124RefineGuidance": ["prompt", "cfg", "weight", "t_min", "t_max", "size", "weight_unit", "calibrate"],
    "A124ViewGuidance": ["kind", "cfg", "weight", "t_min", "t_max", "size", "weight_unit", "calibrate"],
    "A124VideoGuidance": [
        "prompt", "cfg", "weight", "t_min", "t_max", "size", "weight_unit", "calibrate", "still_prompt",
    ],
    "A124UpscaleGuidance": [
        "prompt", "cfg", "weight", "t_min", "t_max", "size", "noise_level", "weight_unit", "calibrate",
    ],
    "A124DiffusersGuidance": [
        "role", "model", "control_net", "prompt", "negative_prompt", "kind", "cfg", "weight", "t_max", "size",
        "noise_level", "memory", "weight_unit", "calibrate", "still_prompt",
    ],
    "A124ModelScopeLoader": ["model", "text_encoder", "vae"],
    "A124TextualInversion": [
        "init_word", "name", "steps", "batch", "chunk", "rate", "size", "seed", "resume", "background",
    ],
    "A124DreamBooth": [
        "instance_prompt", "class_prompt", "name", "steps", "class_images", "rank", "batch", "chunk", "rate",
        "class_weight", "size", "views", "strength", "seed", "resume",
    ],
    "A124PriorCheck": ["size", "embedding", "curve"],
    "A124FieldConfig": ["backbone", "index_mode", "levels", "time_grids", "loop"],
    "A124StaticOptimizer": ["preset", "memory", "steps", "seed", "resume"],
    "A124CoarseOptimizer": ["preset", "memory", "steps", "seed", "resume", "sampling"],
    "A124FineOptimizer": ["preset", "memory", "steps", "seed", "resume", "condition", "sampling"],
    "A124Cameras": ["kind", "elevation", "azimuth", "radius", "fovy", "turns", "moment", "keyframes",
                    "eye_distance", "file"],
    "A124Render": ["frames", "size", "background"],
    "A124Evaluate": ["caption", "candidates", "captions", "views", "times", "size", "geometry"],
    "A124ExportFrames": [
        "format", "frames", "fps", "width", "height", "background", "plays", "ping_pong", "views", "name",
    ],
    "A124Preview4D": ["resolution", "frames", "megabytes", "seconds", "background"],
    "A124ExportViewer": ["name", "resolution", "frames", "megabytes", "seconds", "background"],
    "A124ExportMesh": [
        "format", "frames", "fps", "resolution", "faces", "texture", "quantise", "name", "moment",
    ],
    "A124FieldToSplat": ["gaussians", "frames", "moment"],
    "A124FieldToMesh": ["resolution", "faces", "frames", "moment", "same_faces"],
    "A124SaveField": ["name"],
    "A124LoadField": ["file"],
}
OUTPUTS = {
    "A124ExamplePicture": ["IMAGE", "MASK"],
    "A124Reference": ["A124_REFERENCE", "IMAGE"],
    "A124BuiltInPriors": [
        "A124_IMAGE_GUIDANCE", "A124_VIEW_GUIDANCE", "A124_VIDEO_GUIDANCE", "A124_REFINE_GUIDANCE",
        "A124_REFINE_GUIDANCE",
    ],
    "A124ClipGuidance": ["A124_VIDEO_GUIDANCE", "A124_REFINE_GUIDANCE"],
    "A124ModelGuidance": [
        "A124_IMAGE_GUIDANCE", "A124_VIEW_GUIDANCE", "A124_VIDEO_GUIDANCE", "A124_REFINE_GUIDANCE", "IMAGE",
    ],
    "A124ImageGuidance": ["A124_IMAGE_GUIDANCE"],
    "A124RefineGuidance": ["A124_REFINE_GUIDANCE"],
    "A124ViewGuidance": ["A124_VIEW_GUIDANCE"],
    "A124VideoGuidance": ["A124_VIDEO_GUIDANCE"],
    "A124UpscaleGuidance": ["A124_REFINE_GUIDANCE"],
    "A124DiffusersGuidance": [
        "A124_IMAGE_GUIDANCE", "A124_VIEW_GUIDANCE", "A124_VIDEO_GUIDANCE", "A124_REFINE_GUIDANCE",
    ],
    "A124ModelScopeLoader": ["MODEL", "CLIP", "VAE"],
    "A124TextualInversion": ["CLIP", "STRING"],
    "A124DreamBooth": ["MODEL", "STRING"],
    "A124PriorCheck": ["IMAGE", "STRING", "IMAGE"],
    "A124FieldConfig": ["A124_FIELD_CONFIG"],
    "A124StaticOptimizer": ["A124_FIELD"],
    "A124CoarseOptimizer": ["A124_FIELD"],
    "A124FineOptimizer": ["A124_FIELD"],
    "A124Cameras": ["A124_CAMERAS"],
    "A124Render": ["IMAGE", "MASK", "IMAGE", "IMAGE", "LOAD3D_CAMERA"],
    "A124Evaluate": ["STRING", "IMAGE", "STRING"],
    "A124ExportFrames": ["STRING", "VIDEO"],
    "A124Preview4D": [],
    "A124ExportViewer": ["STRING"],
    "A124ExportMesh": ["STRING", "FILE_3D", "MESH"],
    "A124FieldToSplat": ["SPLAT"],
    "A124FieldToMesh": ["MESH"],
    "A124SaveField": [],
    "A124LoadField": ["A124_FIELD"],
}
IDS = sorted(WIDGETS)
WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN")


def specs(node: type) -> dict[str, tuple]:
    declared = node.INPUT_TYPES()
    return {**declared.get("required", {}), **declared.get("optional", {})}


def test_ids_are_exactly_the_promised_ones(pack: ModuleType) -> None:
    assert sorted(pack.NODE_CLASS_MAPPINGS) == IDS
    assert sorted(pack.NODE_DISPLAY_NAME_MAPPINGS) == IDS
    assert all(name.startswith("A124") for name in IDS)
    assert (ROOT / pack.WEB_DIRECTORY).is_dir()


@pytest.mark.parametrize("name", IDS)
def test_widget_order_and_outputs_are_frozen(nodes: dict[str, type], name: str) -> None:
    node = nodes[name]
    widgets = [key for key, spec in specs(node).items() if isinstance(spec[0], list) or spec[0] in WIDGET_TYPES]
    assert widgets == WIDGETS[name]
    assert list(node.RETURN_TYPES) == OUTPUTS[name]


@pytest.mark.parametrize("name", IDS)
def test_every_input_and_output_is_explained(nodes: dict[str, type], name: str) -> None:
    node = nodes[name]
    for key, spec in specs(node).items():
        assert len(spec) > 1 and len(spec[1].get("tooltip", "")) > 5, f"{name}.{key} has no tooltip"
    assert len(getattr(node, "OUTPUT_TOOLTIPS", ())) == len(node.RETURN_TYPES)
    assert len(node.DESCRIPTION) > 20 and node.SEARCH_ALIASES
    assert node.CATEGORY.startswith("Animate124/")
    assert callable(getattr(node, node.FUNCTION))


@pytest.mark.parametrize("name", IDS)
def test_every_node_has_a_help_page_that_names_its_inputs(nodes: dict[str, type], name: str) -> None:
    page = (ROOT / "web" / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for key in specs(nodes[name]):
        assert f"`{key}`" in page, f"the help page of {name} does not mention {key}"


@pytest.mark.parametrize("name", ["A124StaticOptimizer", "A124CoarseOptimizer", "A124FineOptimizer"])
def test_everything_but_the_field_can_be_unplugged_from_an_optimizer(nodes: dict[str, type], name: str) -> None:
    required = nodes[name].INPUT_TYPES()["required"]
    sockets = [spec[0] for spec in required.values() if isinstance(spec[0], str) and spec[0].startswith("A124_")]
    assert sockets in ([], ["A124_FIELD"])
    assert required["seed"][1]["control_after_generate"] is False
    written = ["released_as_written", "paper_as_printed"]
    assert required["preset"][0] == ["auto", "demo", "draft", "released", "paper", *written, "good"]
    assert required["memory"][0] == ["auto", "full", "balanced", "low"]
    assert required["resume"][0] == ["auto", "restart"]


def test_nodes_that_say_something_say_it_again_from_the_cache(nodes: dict[str, type]) -> None:
    """Hosts from 0.20 on send the text of a cached node if it is an output node or marked so."""
    marked = {name for name, node in nodes.items() if getattr(node, "HAS_INTERMEDIATE_OUTPUT", False)}
    assert marked == {
        "A124Reference", "A124BuiltInPriors", "A124ClipGuidance", "A124DiffusersGuidance", "A124TextualInversion",
        "A124DreamBooth", "A124StaticOptimizer", "A124CoarseOptimizer", "A124FineOptimizer",
    }


def test_every_guidance_has_a_unit_and_graphs_without_one_mean_raw(nodes: dict[str, type]) -> None:
    """They were saved before there were units, when weights multiplied sums over latents."""
    guiding = {name: node for name, node in nodes.items() if any("GUIDANCE" in kind for kind in node.RETURN_TYPES)}
    assert len(guiding) == 9
    for name, node in guiding.items():
        choices, options = specs(node)["weight_unit"]
        assert (choices, options.get("default", choices[0])) == (["raw", "normalised"], "raw"), name
        assert signature(getattr(node, node.FUNCTION)).parameters["weight_unit"].default == "raw", name
