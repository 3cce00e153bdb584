"""Node classes without a host: a folder for each test, a preset that takes seconds, and a runner of saved workflows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted(file for file in (ROOT / "workflows").glob("*.json") if not file.stem.endswith(".app"))
LEAVES = ("PreviewImage", "Preview3D", "CreateVideo", "SaveVideo", "MarkdownNote", "Note")  # the host's last nodes
MODELS = (
    "UNETLoader", "A124LoadField",
    "CheckpointLoaderSimple", "ImageOnlyCheckpointLoader", "ControlNetLoader", "A124ModelScopeLoader",
    "A124DiffusersGuidance",
)
STEPS = 3
torch.set_num_threads(1)  # small images: on a busy machine, more threads wait for each other
CUT = {
    "A124Render": {"frames": 3, "size": 24},
    "A124Preview4D": {"resolution": 16, "frames": 2},
    "A124ExportViewer": {"resolution": 16, "frames": 2},
    "A124ExportFrames": {"frames": 2, "width": 24, "height": 24},
    "A124ExportMesh": {"frames": 1, "resolution": 16, "faces": 200},
}


@pytest.fixture
def nodes(pack: ModuleType) -> dict[str, type]:
    """The node classes by id."""
    return pack.NODE_CLASS_MAPPINGS


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Without a host our output folder is ./output/animate124: here, one for each test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "output" / "animate124"


@pytest.fixture
def tiny(pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace every preset by a few steps of small images."""
    optimizer = pack_module("nodes.optimize.run")
    demo = pack_module("a124core.stages.presets").preset("demo")
    monkeypatch.setattr(optimizer, "preset", lambda name: _tiny(demo))


def _tiny(demo: Any) -> Any:
    def cut(stage: Any, **more: Any) -> Any:
        render = replace(
            stage.render, size=16, reference_size=16, samples=24, occupancy_size=8, occupancy_slices=2, chunk=0
        )
        return replace(stage, render=render, steps=STEPS, **more)

    time = replace(demo.coarse.time, frames=3, ticks=8)
    field = replace(
        demo.field, time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8
    )
    return replace(
        demo,
        field=field,
        static=cut(demo.static),
        coarse=cut(demo.coarse, time=time),
        fine=cut(demo.fine, time=time, refine_frames=2),
    )


@pytest.fixture
def picture() -> tuple[torch.Tensor, torch.Tensor]:
    """A red disc as Load Image returns it: IMAGE (1, 64, 64, 3), MASK (1, 64, 64) with 1 = transparent."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    disc = ((y - 31.5) ** 2 + (x - 31.5) ** 2 < 20**2).float()
    image = torch.stack([disc, 0.2 * disc, 0.1 * disc], dim=-1)
    return image[None], (1.0 - disc)[None]


def _clip() -> tuple[torch.Tensor, None, float]:
    """Return what Get Video Components makes of a film: eight frames of a red disc on white that moves to the right."""
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    discs = torch.stack([((y - 31.5) ** 2 + (x - 28.0 - k) ** 2 < 16**2).float() for k in range(8)])[..., None]
    return 1.0 - discs * torch.tensor([0.1, 0.8, 0.9]), None, 12.0


STAND_INS: dict[str, Callable[[], tuple]] = {"LoadVideo": lambda: (None,), "GetVideoComponents": _clip}


@pytest.fixture
def reference(nodes: dict[str, type], picture: tuple[torch.Tensor, torch.Tensor]) -> Any:
    """The red disc as an A124_REFERENCE."""
    return call(nodes["A124Reference"], image=picture[0], mask=picture[1])[0]


@pytest.fixture
def call_node() -> Callable[..., tuple]:
    return call


def call(node: type, **inputs: Any) -> tuple:
    """Run a node as the host does: defaults for missing widgets, the result without its ui part."""
    required = node.INPUT_TYPES()["required"]
    defaults = {name: _default(spec) for name, spec in required.items() if name not in inputs and _widget(spec)}
    result = getattr(node(), node.FUNCTION)(**defaults, **inputs)
    return result.get("result", ()) if isinstance(result, dict) else result


@pytest.fixture
def refusal() -> Callable[..., str]:
    """Return what a node says to the host when it is queued with these inputs; empty if it accepts them."""

    def said(node: type, **inputs: Any) -> str:
        try:
            answer = node.VALIDATE_INPUTS(**inputs)
        except ValueError as error:
            return str(error)
        return "" if answer is True else answer

    return said


def _widget(spec: tuple) -> bool:
    return isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN")


def _default(spec: tuple) -> Any:
    options = spec[1] if len(spec) > 1 else {}
    return options.get("default", spec[0][0] if isinstance(spec[0], list) else None)


@pytest.fixture
def run_workflow(nodes: dict[str, type]) -> Callable[..., dict[int, tuple]]:
    """Return a function that runs a UI-format workflow with our classes -> results by node id."""

    def run(workflow: dict) -> dict[int, tuple]:
        prompt = api_prompt(workflow, nodes)
        results: dict[int, tuple] = {}
        for node in sorted(workflow["nodes"], key=lambda n: n["order"]):
            if node["type"] in STAND_INS:
                results[node["id"]] = STAND_INS[node["type"]]()
            elif node["type"] not in LEAVES:
                results[node["id"]] = _run_one(node, prompt, nodes[node["type"]], results)
        return results

    return run


@dataclass(frozen=True)
class Queued:
    """A queued prompt as DYNPROMPT; added: nodes of another node's expansion."""

    prompt: dict[str, dict]
    added: dict[str, dict] = field(default_factory=dict)

    def has_node(self, node_id: str) -> bool:
        return node_id in self.prompt or node_id in self.added

    def get_node(self, node_id: str) -> dict:
        return self.added.get(node_id) or self.prompt[node_id]


@pytest.fixture
def queued() -> type[Queued]:
    return Queued


def api_prompt(workflow: dict, nodes: dict[str, type]) -> dict[str, dict]:
    """Return the prompt that the frontend queues: class and inputs of every node of ours."""
    sources = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in LEAVES or node["type"] in STAND_INS:
            continue
        declared = nodes[node["type"]].INPUT_TYPES()
        specs = {**declared["required"], **declared.get("optional", {})}
        names = [name for name, spec in specs.items() if _widget(spec)]
        inputs: dict[str, Any] = dict(zip(names, node["widgets_values"], strict=True))
        inputs |= CUT.get(node["type"], {})
        inputs |= {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot.get("link") is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt


def _run_one(node: dict, prompt: dict, node_class: type, results: dict[int, tuple]) -> tuple:
    inputs = {
        name: results[int(value[0])][value[1]] if isinstance(value, list) else value
        for name, value in prompt[str(node["id"])]["inputs"].items()
    }
    hidden = {"graph": Queued(prompt), "unique_id": str(node["id"])}
    requested = node_class.INPUT_TYPES().get("hidden", {})
    return call(node_class, **inputs, **{name: hidden[name] for name in requested})


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(params=WORKFLOWS, ids=lambda p: p.stem)
def workflow(request: pytest.FixtureRequest) -> dict:
    """Each shipped workflow in turn. Those that need models are run in tests/host, with synthetic ones."""
    loaded = load(request.param)
    if models := sorted({n["type"] for n in loaded["nodes"]} & set(MODELS)):
        pytest.skip(
            f"{request.param.stem} needs models ({', '.join(models)}): checked statically here, run in tests/host"
        )
    return loaded
