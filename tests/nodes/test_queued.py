"""What is known when a job is queued is refused then, with the sentence of the run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

WIRED = None  # the host's value for an input that comes by a wire
REFUSED = [
    ("A124BuiltInPriors", {"prompt": " "}, "the prompt is empty"),
    ("A124BuiltInPriors", {"prompt": "something dances", "motion": "dance"}, "names no subject"),
    ("A124BuiltInPriors", {"prompt": "a cat", "motion": "somersault"}, "motion is ‘somersault’"),
    ("A124BuiltInPriors", {"prompt": "a cat jumps", "strength": 2.5}, "strength is 2.5: it must be at least 0.0"),
    ("A124BuiltInPriors", {"prompt": "a cat jumps", "speed": 0}, "speed is 0: it must be at least 1 and at most 4"),
    *((node, {"prompt": "\n"}, "the prompt is empty") for node in (
        "A124ImageGuidance", "A124VideoGuidance", "A124RefineGuidance", "A124UpscaleGuidance",
    )),
    ("A124VideoGuidance", {"t_min": 0.9, "t_max": 0.2}, "t_min is 0.9 and t_max is 0.2"),
    ("A124ImageGuidance", {"t_min": -1.0, "t_max": WIRED}, "t_min is -1.0: it must be at least 0.0"),
    ("A124ClipGuidance", {"t_min": 0.9, "t_max": 0.2}, "t_max not below t_min"),
    ("A124ViewGuidance", {}, "compares with your image"),
    ("A124DiffusersGuidance", {"role": "view", "prompt": ""}, "compares with your image"),
    ("A124DiffusersGuidance", {"role": "image", "prompt": ""}, "the prompt is empty"),
    ("A124DiffusersGuidance", {"role": "sound"}, "role is ‘sound’: choose one of image"),
    ("A124TextualInversion", {"name": "my panda"}, "is no name of an embedding"),
    ("A124TextualInversion", {"size": 100}, "multiple of 8"),
    ("A124TextualInversion", {"size": 4096}, "at most 1024"),
    ("A124PriorCheck", {"field": WIRED}, "no guidance is connected"),
    ("A124PriorCheck", {"view_guidance": WIRED}, "connect the reference or a field"),
    ("A124StaticOptimizer", {}, "nothing tells the static stage"),
    ("A124CoarseOptimizer", {}, "nothing tells the coarse stage"),
    ("A124FineOptimizer", {}, "nothing tells the fine stage"),
    ("A124Cameras", {"kind": "file"}, "kind is file but no file is named"),
    ("A124Cameras", {"kind": "file", "file": "gone.json"}, "is neither in the input folder nor in"),
    ("A124Cameras", {"kind": "spline", "keyframes": "junk"}, "line 1 of the spline is ‘junk’"),
    ("A124Cameras", {"kind": "camera_info"}, "no camera is connected"),
    ("A124ExportFrames", {"format": "GIF", "fps": 60.0, "name": "film"}, "a GIF shows at most 50"),
    ("A124ExportFrames", {"format": "AVI", "fps": 60.0, "name": "film"}, "format is ‘AVI’"),
    ("A124LoadField", {"file": "gone.safetensors"}, "save a field first"),
]
ACCEPTED = [
    ("A124BuiltInPriors", {"prompt": "something dances", "motion": "dance", "reference": WIRED}),
    ("A124DiffusersGuidance", {"role": "view", "prompt": "", "reference": WIRED}),
    ("A124ViewGuidance", {"reference": WIRED, "t_min": 0.2, "t_max": 0.6}),
    ("A124PriorCheck", {"view_guidance": WIRED, "reference": WIRED}),
    ("A124CoarseOptimizer", {"view_guidance": WIRED}),
    ("A124Cameras", {"kind": "orbit", "keyframes": "junk", "file": "gone.json"}),
    ("A124Cameras", {"kind": "camera_info", "camera_info": WIRED}),
    ("A124ExportFrames", {"format": "MP4", "fps": 60.0, "name": "film"}),
]


@pytest.mark.parametrize(("node", "inputs", "words"), REFUSED)
def test_what_is_known_is_refused(nodes: dict, refusal: Callable, node: str, inputs: dict, words: str) -> None:
    said = refusal(nodes[node], **inputs)
    assert words in said and said.endswith(".") and len(said.splitlines()) == 1


@pytest.mark.parametrize(("node", "inputs"), ACCEPTED)
def test_what_may_be_right_is_accepted(nodes: dict, refusal: Callable, node: str, inputs: dict) -> None:
    assert refusal(nodes[node], **inputs) == ""


ALTERNATIVES = {  # to another input, of which one is wired
    "A124ModelGuidance": {"splat", "mesh", "model_3d"},
    "A124BuiltInPriors": {"splat"},
}


def test_whatever_comes_by_wires_is_accepted(nodes: dict[str, type], refusal: Callable) -> None:
    checked = {name: node for name, node in nodes.items() if hasattr(node, "VALIDATE_INPUTS")}
    assert len(checked) >= 18
    for name, node in checked.items():
        parameters = inspect.signature(node.VALIDATE_INPUTS).parameters
        inputs = {key for group in ("required", "optional") for key in node.INPUT_TYPES().get(group, {})}
        optimizer = name.endswith("Optimizer")
        assert parameters.keys() <= inputs or optimizer, name
        wires = parameters.keys() - ALTERNATIVES.get(name, set())
        assert refusal(node, **dict.fromkeys(wires, WIRED)) == "", name
        assert all(p.default is not p.empty for p in parameters.values()), f"{name}: the host may leave any of them out"


def test_a_word_that_is_not_learned_here_is_found_when_queued(
    nodes: dict, refusal: Callable, workspace: Path, pack_module: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:
    monkeypatch.setattr(pack_module("nodes.guidance.learned_files"), "embeddings_folder", lambda: tmp_path)
    (tmp_path / "fox.pt").write_bytes(b"another one's")
    assert "choose another name" in refusal(nodes["A124TextualInversion"], name="fox")
    assert refusal(nodes["A124TextualInversion"], name="badger") == ""


@pytest.mark.usefixtures("workspace")
def test_one_missing_folder_gives_one_sentence(nodes: dict, refusal: Callable) -> None:
    inputs: dict[str, Any] = {"role": "image", "model": "diffusers/gone", "prompt": "a cat"}
    said = refusal(nodes["A124DiffusersGuidance"], **inputs, control_net="none")
    assert said.count("is not there") == 1
    assert refusal(nodes["A124DiffusersGuidance"], **inputs, control_net="diffusers/gone") == said
    with pytest.raises(ValueError, match="is not there"):  # raised: the host makes one error of it
        nodes["A124DiffusersGuidance"].VALIDATE_INPUTS(**inputs)


def test_the_panel_gets_no_characters_that_it_escapes(pack_module: Callable[[str], ModuleType]) -> None:
    shown = pack_module("nodes.queued").panel_text
    assert shown("'a/b' isn't there: say \"x\" = <y> & 'z'.") == "‘a∕b’ isn’t there: say ‘x’ ＝ ‹y› ＆ ‘z’."
