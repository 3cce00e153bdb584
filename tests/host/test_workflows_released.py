"""The released workflows in a real ComfyUI: accepted as exported, run, and read by its page as they were saved."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.host.conftest import CUTS
from tests.host.server import Host
from tests.test_workflows import AT_HAND

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RELEASED = Path(__file__).resolve().parents[1] / "workflows_released"
NAMES = sorted(file.stem for file in (RELEASED / "api").glob("*.json"))
ALONE = [name for name in NAMES if name[:2] in ("01", "02", "07")]  # they need no files
FILES = {  # inputs whose values are files of a user's
    "CheckpointLoaderSimple": ["ckpt_name"],
    "ImageOnlyCheckpointLoader": ["ckpt_name"],
    "ControlNetLoader": ["control_net_name"],
    "LoadVideo": ["file"],
    **AT_HAND,
}
SECONDS = 120.0  # the machine may be busy
READY = "() => window.app?.graph && window.app.extensionManager && window.LiteGraph?.registered_node_types?.A124Render"


def released(form: str, name: str) -> dict:
    return json.loads((RELEASED / form / f"{name}.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_prompt_is_accepted_or_lacks_only_files(host: Host, name: str) -> None:
    prompt = released("api", name)
    status, answer = host.post("/prompt", {"prompt": prompt})
    if status == 200:
        stop(host, answer["prompt_id"])
    refused = answer["node_errors"] or {}
    assert status == 200 or refused, answer
    assert status == 200 and not refused or name not in ALONE, refused
    for key, found in refused.items():
        for error in found["errors"]:
            named, kind = error["extra_info"].get("input_name", ""), prompt[key]["class_type"]
            own = error["details"]  # of our own check, which the host puts at another input
            absent = "is not there: copy" in own or "refresh the page" in own
            assert named in FILES.get(kind, []) or absent, f"{kind}: {error}"


def stop(host: Host, prompt_id: str, seconds: float = SECONDS) -> None:
    """Take a prompt back, whether it still waits or is already being run."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        queue = host.get("/queue")
        if all(row[1] != prompt_id for row in queue["queue_running"] + queue["queue_pending"]):
            return
        host.post("/queue", {"delete": [prompt_id]})
        host.post("/interrupt", {})
        time.sleep(0.2)
    raise AssertionError(f"still there after {seconds} s, the host's log ends with:\n{host.tail()}")


@pytest.mark.parametrize("name", ALONE)
def test_an_exported_prompt_runs_to_the_end(host: Host, name: str) -> None:
    prompt = released("api", name)
    for node in prompt.values():
        node["inputs"] |= CUTS.get(node["class_type"], {})
    outputs = host.run(prompt)["outputs"]
    films = [key for key, node in prompt.items() if node["class_type"] in ("SaveVideo", "A124ExportFrames")]
    for film in [outputs[key]["images"][0] for key in films]:
        assert (host.base / "output" / film["subfolder"] / film["filename"]).stat().st_size > 500
    assert films


@pytest.fixture(scope="module")
def page(host: Host, browser: Browser) -> Iterator[Page]:
    """The host's page, as a user sees it who has been here before: newcomers get a dialog."""
    host.post("/settings", {"Comfy.TutorialCompleted": True})
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.goto(f"http://127.0.0.1:{host.port}/", timeout=1000 * SECONDS)
    page.wait_for_function(READY, timeout=1000 * SECONDS)
    yield page
    page.close()


@pytest.mark.parametrize("name", NAMES)
def test_the_page_reads_a_saved_graph_as_it_was_saved(page: Page, name: str) -> None:
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", released("ui", name))
    exported = page.evaluate("app.graphToPrompt().then((made) => made.output)")
    was = {key: node for key, node in released("api", name).items() if node["class_type"].startswith("A124")}
    for key, node in was.items():
        assert exported[key]["class_type"] == node["class_type"]
        now = exported[key]["inputs"]
        assert {given: now.get(given) for given in node["inputs"]} == node["inputs"], "beside what was appended since"
