"""Every shipped workflow as a person opens it: the host's page in a real browser, the template browser, a click, Run.

The page itself then turns the saved widgets into a prompt. Lowered before Run: steps, sizes, frames, model names.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.test_workflows import NEWER

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted(file for file in (ROOT / "workflows").glob("*.json") if not file.stem.endswith(".app"))
PATIENCE = 120_000  # milliseconds: a page that draws without a GPU on a busy machine

# What the page says of its graph, in the words of a saved workflow; and widgets set by node type and name.
GRAPH = """() => window.app.graph._nodes.map(n => ({
    type: n.type, known: n.type in window.LiteGraph.registered_node_types,
    widgets: (n.widgets || []).map(w => [w.name, w.value])}))"""
SET = """(cuts) => { for (const n of window.app.graph._nodes) for (const w of n.widgets || [])
    if (cuts[n.type] && w.name in cuts[n.type]) w.value = cuts[n.type][w.name] }"""


@pytest.fixture(scope="module")
def page(equipped: Any, browser: Browser) -> Iterator[Page]:
    """The host's page."""
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.set_default_timeout(PATIENCE)
    page.goto(f"http://127.0.0.1:{equipped.port}/")
    page.wait_for_function("() => window.app?.graph && window.LiteGraph?.registered_node_types?.A124Render")
    yield page
    page.close()


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda p: p.stem)
def test_it_opens_from_the_template_browser_and_runs(
    equipped: Any, schemas: dict, page: Page, cut: Any, with_tiny_models: Any, request: pytest.FixtureRequest,
    file: Path,
) -> None:
    saved = json.loads(file.read_text(encoding="utf-8"))
    wants_folders = any(n["type"] == "A124DiffusersGuidance" for n in saved["nodes"])
    lacking = {n["type"] for n in saved["nodes"]} - set(schemas) - {"MarkdownNote"}
    if lacking and lacking <= set(NEWER):
        pytest.skip(f"{file.stem} needs a newer host")
    open_template(page, file.stem, sorted(n["type"] for n in saved["nodes"]))
    shown = page.evaluate(GRAPH)
    assert all(n["known"] for n in shown), [n["type"] for n in shown if not n["known"]]
    if wants_folders:
        request.getfixturevalue("with_folders")  # opened; where the host's Python has no diffusers it is not run
    if any(n["type"].startswith("TripoSplat") for n in saved["nodes"]):
        return  # tests/host/test_owned_workflows.py runs it, with a saved splat
    small = with_tiny_models(cut(file.stem))
    page.evaluate(SET, {node["class_type"]: plain(node["inputs"]) for node in small.values()})
    before = set(equipped.get("/history"))
    page.keyboard.press("Escape")  # older pages list the missing models in a dialog
    page.get_by_role("button", name="Run", exact=True).first.click()
    entry = newest(equipped, before)
    assert entry["status"]["status_str"] == "success", entry["status"]["messages"][-1]
    ran = {node["class_type"] for node in entry["prompt"][2].values()}
    assert ran == {node["class_type"] for node in small.values()}


def open_template(page: Page, name: str, types: list[str]) -> None:
    """By the side bar's Templates, the search field and the card's title; until the graph has its nodes."""
    search = page.get_by_placeholder("Search").last
    end = time.monotonic() + PATIENCE / 1000
    while not search.is_visible() and time.monotonic() < end:  # the first time it comes by itself, sooner or later
        with contextlib.suppress(Exception):
            page.get_by_text("Templates", exact=True).first.click(timeout=5000)
        page.wait_for_timeout(2000)
    everything = page.get_by_text("All Templates", exact=True)  # the first time, beginners' templates are chosen
    if everything.count():
        everything.first.click()
    page.get_by_placeholder("Search").last.fill(name)
    page.get_by_text(name, exact=True).filter(visible=True).last.click()
    page.wait_for_function(
        "(types) => window.app.graph._nodes.map(n => n.type).sort() + '' === types", arg=",".join(types)
    )
    page.wait_for_timeout(1000)


def plain(inputs: dict) -> dict:
    """Widgets, not wires."""
    return {name: value for name, value in inputs.items() if not isinstance(value, list)}


def newest(host: Any, before: set[str], seconds: float = 1800) -> dict:
    """The history entry of the prompt that was queued just now."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        new = {key: entry for key, entry in host.get("/history").items() if key not in before}
        if new:
            return next(iter(new.values()))
        time.sleep(0.5)
    raise AssertionError(f"nothing ended after {seconds} s, the host's log ends with:\n{host.tail()}")
