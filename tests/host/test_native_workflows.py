"""Every shipped workflow against the host's own schemas; those that need models run to the end with synthetic ones.

Lowered against a user's run: steps, batch, the size of the images of models and Render, and the depth of the
UNets (see tiny_models.py). The preset stays what the workflow says.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.host.conftest import CONTROL
from tests.test_workflows import NEWER

HERE = Path(__file__).resolve().parent
WORKFLOWS = sorted(file for file in (HERE.parents[1] / "workflows").glob("*.json") if not file.stem.endswith(".app"))
NATIVE = [file.stem for file in WORKFLOWS if file.stem[:2] in ("03", "04", "05", "06")]
FOLDERS = "A124DiffusersGuidance"  # its menu is empty here
NOTES = ("MarkdownNote", "Note")
PLAIN = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
FILES = {  # lists of installed files; so are the ModelScope loader's
    "ckpt_name", "control_net_name", "file", "image", "bg_removal_name", "unet_name", "clip_name", "vae_name",
}

@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda p: p.stem)
def test_a_workflow_fits_the_hosts_schemas(schemas: dict, file: Path) -> None:
    workflow = json.loads(file.read_text(encoding="utf-8"))
    nodes = {n["id"]: n for n in workflow["nodes"] if n["type"] not in NOTES}
    lacking = {n["type"] for n in nodes.values()} - set(schemas)
    if lacking and lacking <= set(NEWER):
        pytest.skip(f"{file.stem} needs a newer host, with {', '.join(sorted(lacking))}")
    for node in nodes.values():
        assert node["type"] in schemas, f"{node['type']} is missing in this host"
        check_widgets(node, inputs_of(schemas[node["type"]]))
    for _, source, out_slot, target, in_slot, kind in workflow["links"]:
        assert schemas[nodes[source]["type"]]["output"][out_slot] == kind
        name = nodes[target]["inputs"][in_slot]["name"]
        assert kind in inputs_of(schemas[nodes[target]["type"]])[name][0].split(",")  # a union of types: any of them


def inputs_of(schema: dict) -> dict[str, list]:
    return {**schema["input"].get("required", {}), **schema["input"].get("optional", {})}


def check_widgets(node: dict, inputs: dict[str, list]) -> None:
    widgets = {}
    for name, spec in inputs.items():
        if is_widget(spec[0]):
            widgets[name] = spec
            # the page adds it to seeds by their names, unless a node says no
            if len(spec) > 1 and spec[1].get("control_after_generate", name in ("seed", "noise_seed")):
                widgets[CONTROL] = [["fixed", "increment", "decrement", "randomize"]]
    uploads = any("upload" in key for spec in widgets.values() for key in (spec[1] if len(spec) > 1 else {}))
    values = node["widgets_values"][: len(node["widgets_values"]) - uploads]  # the last is the upload button's
    assert len(values) <= len(widgets), f"{node['type']}: {list(widgets)} against {values}"
    appended = list(widgets.items())[len(values) :]
    assert not appended or not node["type"].startswith("A124"), f"{node['type']} lacks {appended}"
    assert all("default" in spec[1] for _, spec in appended), f"{node['type']}: this host needs {appended}"
    for (name, spec), value in zip(widgets.items(), values, strict=False):
        options = spec[0] if isinstance(spec[0], list) else spec[1].get("options") if spec[0] == "COMBO" else None
        if options is not None and name not in FILES and node["type"] not in ("A124ModelScopeLoader", FOLDERS):
            assert value in options, f"{node['type']}.{name}: {value!r} is none of {options}"


def is_widget(kind: str | list) -> bool:
    """A list to choose from, or a plain value; Preview 3D's takes a text or a file: "STRING,FILE_3D"."""
    return isinstance(kind, list) or kind.split(",")[0] in PLAIN


def test_menus_are_served_in_both_languages(host: Any, pack: ModuleType) -> None:
    served = host.get("/i18n")
    for language, title in (("en", "Animate124: 6 Render"), ("zh", "Animate124:6 渲染")):
        nodes = served[language]["nodeDefs"]
        assert set(pack.NODE_CLASS_MAPPINGS) <= set(nodes)
        assert nodes["A124Render"]["display_name"] == title


@pytest.mark.parametrize("name", NATIVE)
def test_a_workflow_with_models_runs_to_the_end(equipped: Any, cut: Any, with_tiny_models: Any, name: str) -> None:
    if name == "06_refine_only":
        equipped.run(cut("01_quickstart"))  # it saves the scene that this one loads
    runs_to_the_end(equipped, with_tiny_models(cut(name)))


def test_the_workflow_with_folders_runs_to_the_end(with_folders: Any, cut: Any, with_tiny_models: Any) -> None:
    """Five guidances from diffusers folders, all stages, with diffusers in the host's own Python."""
    prompt = with_tiny_models(cut("08_diffusers_folders"))
    assert sum(node["class_type"] == FOLDERS for node in prompt.values()) == 5
    runs_to_the_end(with_folders, prompt)


def runs_to_the_end(host: Any, prompt: dict) -> dict:
    """Run a prompt that writes a film and a field; return its history entry."""
    entry = host.run(prompt, 1800)
    saved = next(key for key, node in prompt.items() if node["class_type"] == "SaveVideo")
    video = entry["outputs"][saved]["images"][0]
    assert (host.base / "output" / video["subfolder"] / video["filename"]).stat().st_size > 500
    prefix = next(node["inputs"]["name"] for node in prompt.values() if node["class_type"] == "A124SaveField")
    assert list((host.base / "output/animate124").glob(f"{prefix}_*.safetensors"))
    return entry


def test_a_cancelled_run_with_models_resumes_to_the_same_field(
    equipped: Any, cut: Any, with_tiny_models: Any, connect: Any
) -> None:
    prompt = static_of(with_tiny_models(cut("03_native_paper", seed=7)), steps=STEPS)
    ws = connect()
    prompt_id = equipped.queue(prompt, ws.client_id)
    wait_for_step(ws, random.Random(7).randint(3, STEPS - 5))
    equipped.post("/interrupt", {})
    entry = equipped.wait(prompt_id)
    assert any(kind == "execution_interrupted" for kind, _ in entry["status"]["messages"]), entry["status"]

    ws = connect()
    prompt_id = equipped.queue(prompt, ws.client_id)
    assert wait_for_step(ws, 1) > 3, "it began again"
    assert equipped.wait(prompt_id, 1800)["status"]["status_str"] == "success"
    resumed = newest_field(equipped)

    prompt["static"]["inputs"]["resume"] = "restart"
    equipped.run(prompt, 1800)
    whole = newest_field(equipped)
    assert whole != resumed, "the uninterrupted run saved a field of its own"
    assert tensors_of(whole) == tensors_of(resumed)


STEPS = 20


def static_of(prompt: dict, steps: int) -> dict:
    """Return the static optimizer of a prompt with its ancestors, and its field saved."""
    key = next(k for k, node in prompt.items() if node["class_type"] == "A124StaticOptimizer")
    ancestors, queue = {}, [key]
    while queue:
        node_id = queue.pop()
        ancestors[node_id] = node = prompt[node_id]
        queue += [v[0] for v in node["inputs"].values() if isinstance(v, list) and v[0] not in ancestors]
    ancestors["static"] = ancestors.pop(key)
    ancestors["static"]["inputs"] |= {"steps": steps, "resume": "auto"}
    ancestors["save"] = {"class_type": "A124SaveField", "inputs": {"field": ["static", 0], "name": "cancelled"}}
    return ancestors


def wait_for_step(ws: Any, step: int, seconds: float = 600) -> int:
    """Return the first reported step of the static optimizer that is not before the given one."""
    end, read = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        ws.read(1.0)
        for kind, data in ws.events[read:]:
            assert kind != "execution_error", data
            if kind == "progress" and data["node"] == "static" and data["value"] >= step:
                return data["value"]
        read = len(ws.events)
    raise AssertionError(ws.events[-3:])


def newest_field(host: Any) -> Path:
    return max((host.base / "output/animate124").glob("cancelled_*.safetensors"), key=lambda p: p.stat().st_mtime_ns)


def tensors_of(path: Path) -> bytes:
    """Return everything after the header of a safetensors file."""
    content = path.read_bytes()
    return content[8 + int.from_bytes(content[:8], "little") :]
