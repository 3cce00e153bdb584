"""The apps and the blueprint in the host's own page: the form that a person sees, and what a blueprint queues."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.host.conftest import CUTS
from tests.host.server import Host

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300_000  # milliseconds
READY = "() => !!(window.app?.graph && window.LiteGraph?.registered_node_types?.A124Render)"
FRONTEND = "(window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0').split('.').slice(0, 2).map(Number)"
APP_MODE = [1, 42]  # the frontend of the oldest app among the host's own templates
BLUEPRINT = "Animate a picture"


@pytest.fixture(scope="module")
def page(browser: Browser, host: Host) -> Iterator[Page]:
    """The host's page, as a user sees it who has been here before."""
    host.post("/settings", {"Comfy.TutorialCompleted": True})
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    page.set_default_timeout(PATIENCE)
    page.goto(f"http://127.0.0.1:{host.port}/")
    page.wait_for_function(READY)
    if page.evaluate(FRONTEND) < APP_MODE:
        pytest.skip(f"frontend {page.evaluate(FRONTEND)} has no app mode: it opens an app as the workflow that it is")
    yield page
    page.close()


def load(page: Page, path: Path) -> None:
    graph = json.loads(path.read_text(encoding="utf-8"))
    page.evaluate("([graph, name]) => app.loadGraphData(graph, true, true, name).then(() => 0)", [graph, path.stem])


@pytest.mark.parametrize(
    ("name", "labels"),
    [("01_quickstart", ["subject", "prompt", "motion"]), ("05_clip_driven", ["file", "prompt"])],
)
def test_an_app_opens_as_a_form(page: Page, name: str, labels: list[str]) -> None:
    load(page, ROOT / "workflows" / f"{name}.app.json")
    form = page.get_by_test_id("linear-widgets")
    form.wait_for()
    for label in labels:
        form.get_by_text(label, exact=True).first.wait_for()
    assert form.get_by_text("preset", exact=True).count() == 0, "what can stay is left to the graph"
    assert page.get_by_role("button", name="Run").count()


def test_the_blueprint_is_listed_and_what_it_queues_makes_a_video_and_a_mesh(page: Page, host: Host) -> None:
    listed = [entry for entry in host.get("/global_subgraphs").values() if entry["source"] == "custom_node"]
    assert [entry["name"] for entry in listed] == [BLUEPRINT]
    load(page, ROOT / "subgraphs" / f"{BLUEPRINT}.json")
    page.wait_for_function("() => app.graph._nodes.length === 1")
    page.evaluate("app.graph._nodes[0].widgets.find(w => w.name === 'prompt').value = 'a cat is jumping'")
    prompt: dict[str, Any] = page.evaluate("app.graphToPrompt().then(p => p.output)")
    inside = {node["class_type"]: key for key, node in prompt.items()}
    assert prompt[inside["A124BuiltInPriors"]]["inputs"]["prompt"] == "a cat is jumping"
    for node in prompt.values():
        node["inputs"] |= CUTS.get(node["class_type"], {})
    prompt["picture"] = {"class_type": "A124ExamplePicture", "inputs": {"subject": "cat"}}
    prompt[inside["A124Reference"]]["inputs"] |= {"image": ["picture", 0], "mask": ["picture", 1]}
    video = {"video": [inside["CreateVideo"], 0], "filename_prefix": "blueprint", "format": "auto", "codec": "auto"}
    prompt["video"] = {"class_type": "SaveVideo", "inputs": video}
    host.run(prompt)
    assert list((host.base / "output").glob("blueprint*.mp4"))
    assert list((host.base / "output" / "animate124").glob("picture*.glb"))
