"""The pack in a real ComfyUI: workflows without models, cache, cancel and resume, Load Image, clean errors."""

from __future__ import annotations

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = ["01_quickstart", "02_rewire_motion"]  # those that need no models


def node_of(prompt: dict, class_type: str) -> str:
    return min((k for k, n in prompt.items() if n["class_type"] == class_type), key=int)


def nodes_of(prompt: dict, class_type: str) -> list[str]:
    return sorted((k for k, n in prompt.items() if n["class_type"] == class_type), key=int)


def messages(entry: dict, name: str) -> list[dict]:
    return [data for kind, data in entry["status"]["messages"] if kind == name]


def cached(entry: dict) -> set[str]:
    return {node for data in messages(entry, "execution_cached") for node in data["nodes"]}


def wanted(prompt: dict, outputs: tuple[str, ...] = ("SaveVideo", "PreviewImage", "A124SaveField")) -> set[str]:
    """Nodes that a result depends on; the second priors of the rewiring workflow wait for their wire."""
    found = {k for k, n in prompt.items() if n["class_type"] in outputs}
    while more := {v[0] for k in found for v in prompt[k]["inputs"].values() if isinstance(v, list)} - found:
        found |= more
    return found


def test_the_pack_is_loaded_whole(host: Any, schemas: dict, pack: ModuleType) -> None:
    log = host.log.read_text(errors="replace")
    failed = [line for line in log.splitlines() if "IMPORT FAILED" in line and "Animate124" in line]
    assert not failed, log[-3000:]
    ours = sorted(name for name in schemas if name.startswith("A124"))
    assert ours == sorted(pack.NODE_CLASS_MAPPINGS)
    assert all(schemas[name]["python_module"].startswith("custom_nodes.") for name in ours)


def test_help_pages_and_example_workflows_are_served(host: Any, schemas: dict) -> None:
    listed = host.get("/workflow_templates")
    assert sorted(next(v for k, v in listed.items() if "Animate124" in k)) == sorted(
        file.stem for file in (ROOT / "workflows").glob("*.json")
    )
    import urllib.request

    folder = next(k for k in listed if "Animate124" in k)
    for name in (n for n in schemas if n.startswith("A124")):
        url = f"http://127.0.0.1:{host.port}/extensions/{folder}/docs/{name}.md"
        with urllib.request.urlopen(url, timeout=10) as page:
            assert page.read().startswith(b"# ")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_shipped_workflow_runs_and_the_second_queue_costs_nothing(host: Any, cut: Any, name: str) -> None:
    prompt = cut(name)
    entry = host.run(prompt)
    video = entry["outputs"][node_of(prompt, "SaveVideo")]["images"][0]
    assert (host.base / "output" / video["subfolder"] / video["filename"]).stat().st_size > 1000
    again = host.run(prompt)
    optimizers = {k for k, n in prompt.items() if n["class_type"].endswith("Optimizer")}
    assert optimizers <= cached(again)
    changed = cut(name)
    render = node_of(changed, "A124Render")
    changed[render]["inputs"]["size"] = 40
    third = host.run(changed)
    behind = {render, *nodes_of(changed, "CreateVideo"), *nodes_of(changed, "SaveVideo")}
    assert wanted(changed) - cached(third) == behind, "only Render and what follows it ran again"


def test_one_wire_moved_runs_only_what_follows(host: Any, cut: Any) -> None:
    prompt = cut("02_rewire_motion")
    host.run(prompt)
    first, second = nodes_of(prompt, "A124BuiltInPriors")
    coarse = node_of(prompt, "A124CoarseOptimizer")
    assert prompt[coarse]["inputs"]["video_guidance"] == [first, 2]
    prompt[coarse]["inputs"]["video_guidance"] = [second, 2]
    entry = host.run(prompt)
    assert node_of(prompt, "A124StaticOptimizer") in cached(entry)
    assert coarse not in cached(entry)


def test_cancel_within_a_step_then_resume(host: Any, cut: Any, connect: Any) -> None:
    prompt = cut("01_quickstart", seed=5)
    static = node_of(prompt, "A124StaticOptimizer")
    prompt[static]["inputs"]["steps"] = 5000
    ws = connect()
    prompt_id = host.queue(prompt, ws.client_id)
    done = watch(ws, static, until=lambda step: step > 20 and ws.previews() > 0)
    assert any(text.startswith("Step ") and " left\n" in text for text in ws.texts()), ws.texts()
    stats = [data for kind, data in ws.events if kind == "animate124.stats"]
    assert stats and stats[-1]["node"] == static and stats[-1]["losses"], "no figures came"
    assert_cancelled(host, prompt_id)
    left = list((host.base / "output/animate124/snapshots").glob("static-*/[ab].safetensors"))
    assert left, "a cancel leaves a snapshot"

    ws = connect()
    prompt_id = host.queue(prompt, ws.client_id)
    assert watch(ws, static, until=lambda step: step > 0) >= done, "it did not begin again"
    assert_cancelled(host, prompt_id)


def assert_cancelled(host: Any, prompt_id: str) -> None:
    pressed = time.monotonic()
    host.post("/interrupt", {})
    entry = host.wait(prompt_id)
    assert time.monotonic() - pressed < 20, "a cancel is answered within a step"
    assert messages(entry, "execution_interrupted"), entry["status"]


def watch(ws: Any, node: str, until: Any, seconds: float = 300) -> int:
    """Read events until the node's progress satisfies the question; -> the step shown."""
    end, seen = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        ws.read(1.0)
        for kind, data in ws.events[seen:]:
            assert kind != "execution_error", data
            if kind == "progress" and str(data.get("node")) == node and until(data["value"]):
                return int(data["value"])
        seen = len(ws.events) if not ws.binary else max(len(ws.events) - 1, 0)
    raise AssertionError(ws.events[-3:])


@pytest.mark.parametrize(("alpha", "words"), [(True, "mask"), (False, "plain background")])
def test_load_images_own_mask(host: Any, schemas: dict, alpha: bool, words: str) -> None:
    name = write_picture(host.base / "input", alpha)
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": reference_of("1"),
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 1]}},
    }
    entry = host.run(prompt)
    note = entry["outputs"]["2"]["text"][0]
    assert words in note and "28 %" in note, note


def reference_of(source: str, **inputs: Any) -> dict:
    values = {"mask_marks": "auto", "recentre": False, "elevation": 0.0, "azimuth": 0.0, "radius": 1.8, "fovy": 40.0}
    wires = {"image": [source, 0], "mask": [source, 1]}
    return {"class_type": "A124Reference", "inputs": {**values, **wires, **inputs}}


def write_picture(folder: Path, alpha: bool, empty: bool = False) -> str:
    """A red disc of 28 % on white or on nothing, or a picture without a subject."""
    import numpy as np
    from PIL import Image

    y, x = np.mgrid[:200, :200]
    disc = (y - 99.5) ** 2 + (x - 99.5) ** 2 < 60**2
    disc &= not empty
    rgb = np.where(disc[..., None], (200, 30, 30), (255, 255, 255)).astype(np.uint8)
    name = f"disc-{'alpha' if alpha else 'plain'}{'-empty' if empty else ''}.png"
    if alpha:
        rgb = np.concatenate([rgb, (disc[..., None] * 255).astype(np.uint8)], axis=-1)
    Image.fromarray(rgb).save(folder / name)
    return name


def test_bad_input_is_a_clean_error_of_the_node(host: Any, cut: Any) -> None:
    name = write_picture(host.base / "input", alpha=True, empty=True)
    prompt = {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": reference_of("1"),
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 1]}},
    }
    error = failed(host, prompt)
    assert error["node_id"] == "2" and "mask" in error["exception_message"]


BEFORE = [  # node, its inputs (None: unplugged), the sentence
    ("A124BuiltInPriors", {"prompt": " \n "}, "the prompt is empty"),
    ("A124Cameras", {"kind": "file"}, "kind is file but no file is named"),
    ("A124Cameras", {"kind": "spline", "keyframes": "from the left"}, "line 1 of the spline is ‘from the left’"),
    ("A124Cameras", {"kind": "camera_info"}, "kind is camera_info but no camera is connected"),
    ("A124Cameras", {"kind": "circle"}, "kind is ‘circle’: choose one of orbit"),
    ("A124StaticOptimizer", {"reference": None, "image_guidance": None, "view_guidance": None}, "nothing tells the"),
    ("A124CoarseOptimizer", {"reference": None, "view_guidance": None, "video_guidance": None}, "nothing tells the"),
]


@pytest.mark.parametrize(("node", "inputs", "words"), BEFORE)
def test_what_the_widgets_tell_is_refused_when_queued_in_one_error(
    host: Any, cut: Any, node: str, inputs: dict, words: str
) -> None:
    prompt = cut("01_quickstart", seed=3)
    prompt = {number: prompt[number] for number in wanted(prompt, ("SaveVideo",))}
    number = node_of(prompt, node)
    changed = {**prompt[number]["inputs"], **inputs}
    prompt[number]["inputs"] = {name: value for name, value in changed.items() if value is not None}
    status, answer = host.post("/prompt", {"prompt": prompt, "client_id": "nobody"})
    assert status == 400 and list(answer["node_errors"]) == [number], answer
    (error,) = answer["node_errors"][number]["errors"]
    assert words in error["details"] and not set("'\"/=<>&") & set(error["details"]), error["details"]


def test_what_comes_by_a_wire_is_known_only_when_it_runs(host: Any, cut: Any) -> None:
    prompt = cut("01_quickstart", seed=3)
    priors, cameras = node_of(prompt, "A124BuiltInPriors"), node_of(prompt, "A124Cameras")
    prompt["900"] = {"class_type": "PrimitiveString", "inputs": {"value": "  "}}
    prompt["901"] = {"class_type": "PrimitiveString", "inputs": {"value": "gone.json"}}
    prompt[priors]["inputs"]["prompt"] = ["900", 0]
    prompt[cameras]["inputs"] |= {"kind": "file", "file": ["901", 0]}
    error = failed(host, prompt)
    assert error["node_id"] in (priors, cameras)
    assert any(words in error["exception_message"] for words in ("prompt is empty", "neither in the input folder"))


def failed(host: Any, prompt: dict) -> dict:
    entry = host.wait(host.queue(prompt))
    assert entry["status"]["status_str"] == "error"
    return messages(entry, "execution_error")[0]


def test_a_file_that_is_not_there_is_refused_before_anything_runs(host: Any) -> None:
    prompt = {
        "1": {"class_type": "A124LoadField", "inputs": {"file": "../../gone.safetensors"}},
        "2": {"class_type": "A124SaveField", "inputs": {"field": ["1", 0], "name": "again"}},
    }
    status, answer = host.post("/prompt", {"prompt": prompt})
    assert status == 400
    assert "save a field first" in str(answer["node_errors"]["1"])


def test_a_saved_field_is_loaded_and_rendered(host: Any, cut: Any) -> None:
    host.run(cut("01_quickstart"))
    files = host.get("/object_info/A124LoadField")["A124LoadField"]["input"]["required"]["file"][0]
    saved = [name for name in files if name.startswith("quickstart_")]
    assert saved, files
    cameras = next(n for n in cut("01_quickstart").values() if n["class_type"] == "A124Cameras")
    prompt = {
        "1": {"class_type": "A124LoadField", "inputs": {"file": saved[0]}},
        "2": cameras,
        "3": {
            "class_type": "A124Render",
            "inputs": {"field": ["1", 0], "cameras": ["2", 0], "frames": 2, "size": 32, "background": "white"},
        },
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    assert len(host.run(prompt)["outputs"]["4"]["images"]) == 2
