"""What the nodes say, in the host's own page: while they work, after a cancel, a reload, a run and a cached one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.host.conftest import Host
from tests.host.test_web import PATIENCE, own_errors, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
CUT = """(steps) => {
  const { graph } = app, kept = ["A124ExamplePicture", "A124Reference", "A124BuiltInPriors", "A124StaticOptimizer"];
  for (const node of [...graph.nodes]) if (!kept.includes(node.type)) graph.remove(node);
  const save = LiteGraph.createNode("A124SaveField"), load = LiteGraph.createNode("A124LoadField");
  graph.add(save);
  graph.add(load);
  const optimizer = graph.nodes.find((n) => n.type === "A124StaticOptimizer");
  optimizer.connect(0, save, 0);
  optimizer.widgets.find((w) => w.name === "steps").value = steps;
}"""
NODE = "app.graph.nodes.find((n) => n.type === 'A124StaticOptimizer')"
TEXT = f"({NODE}.a124Status?.text ?? '')"
# In the page itself: one that draws without a GPU answers from outside when the run may be over.
CANCEL_IN_THE_MIDDLE = """() => {
  window.said = [];
  app.api.addEventListener("animate124.text", ({ detail }) => {
    said.push(detail.text);
    if (window.cancelled || !/^Step \\d+ of 120: about .* left\\n/.test(detail.text)) return;
    window.cancelled = true;
    app.api.interrupt(null);
  });
}"""


@pytest.fixture
def page(browser: Browser, host: Host) -> Iterator[Page]:
    """A page with the first four nodes of the quickstart, Save field, and a Load field that is not wired."""
    host.post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": False})
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE)
    visit(page, host)
    workflow = json.loads((ROOT / "workflows" / "01_quickstart.json").read_text(encoding="utf-8"))
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow)
    page.evaluate(CUT, 120)
    yield page
    page.close()


def kept(page: Page) -> dict[str, Any]:
    """Return what the workflow keeps of the optimizer, once the host's page has saved it for the next visit."""
    page.wait_for_timeout(2500)
    return page.evaluate(f"{NODE}.properties.a124_status")


def shown(page: Page) -> list[Any]:
    """Return the optimizer's text, its curves' names and points, and whether its picture is seen."""
    return page.evaluate(
        f"(() => {{ const s = {NODE}.a124Status; return [s.text, [...s.sparkline.curves.keys()],"
        "s.sparkline.steps.length, getComputedStyle(s.image).display !== 'none']; })()"
    )


def test_nodes_keep_what_they_said_through_cancel_reload_resume_and_cache(page: Page, host: Host) -> None:
    without = page.evaluate("app.graphToPrompt().then((made) => made.output)")
    page.evaluate(CANCEL_IN_THE_MIDDLE)
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_function(f"/^Cancelled at step \\d+ of 120. Press Run to go on from there.$/.test({TEXT})")
    assert page.evaluate(f"{NODE}.a124Status.height") > 100
    said = page.evaluate("said")
    assert "0 of 21: drawing the built-in subjects" in said and "21 of 21: drawing the bank of images" in said
    assert any(text.startswith("Preparing the first step ...\nPreset: demo") for text in said)
    state = kept(page)
    assert state["text"].startswith("Cancelled") and len(json.dumps(state)) < 25_000
    visit(page, host)
    page.wait_for_function(f"{TEXT} === {json.dumps(state['text'])}")
    assert shown(page)[1:3] == [list(state["curves"]["values"]), len(state["curves"]["steps"])]
    assert shown(page)[3] == ("picture" in state)
    assert page.evaluate("app.graphToPrompt().then((made) => made.output)") == without, "the host sees the same inputs"
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_function(f"/^Done: 120 steps \\(resumed at \\d+\\) in /.test({TEXT})")
    done = kept(page)
    assert " of 8 GB kept in " in done["text"] and done["picture"].startswith("data:image/jpeg;base64,")
    assert len(done["picture"]) < 15_000 and 2 <= len(done["curves"]["steps"]) <= 100
    file = "app.graph.nodes.find((n) => n.type === 'A124LoadField').widgets[0].options.values"
    page.wait_for_function(f"{file}.includes('quickstart_00001_.safetensors') || {file}.some((n) => /_00001_/.test(n))")
    visit(page, host)
    page.wait_for_function(f"{TEXT} === {json.dumps(done['text'])}")
    assert shown(page)[3], "the picture is back"
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_timeout(3000)
    assert page.evaluate(TEXT) == done["text"], "a second run takes the result, and the node still says what it is"
    page.evaluate(f"(() => {{ {NODE}.a124Status.restore({{}}); delete {NODE}.properties.a124_status; }})()")
    page.evaluate("app.queuePrompt(0)")  # as of a page that was closed while the run was on
    page.wait_for_function(f"{TEXT} === {json.dumps(done['text'])}")
    assert shown(page)[3] and kept(page)["text"] == done["text"]
    assert "IS_CHANGED" not in host.log.read_text(errors="replace"), "a Load field without a file is no error"
    assert own_errors(page) == []


def test_curves_and_texts_of_events_are_shown_on_the_node(page: Page) -> None:
    send = "([name, detail]) => void app.api.dispatchEvent(new CustomEvent(name, { detail }))"
    node = page.evaluate(f"String({NODE}.id)")
    widgets = page.evaluate(f"{NODE}.widgets.length")
    values = page.evaluate(f"{NODE}.serialize().widgets_values.length")
    for step in range(1, 300):
        stats = {"node": node, "stage": "static", "step": step, "losses": {"rgb": 1.0 / step, "sds view": 0.5}}
        page.evaluate(send, ["animate124.stats", stats])
    page.evaluate(send, ["animate124.text", {"node": node, "text": "12 of 47: surface", "running": True}])
    page.wait_for_function(f"{TEXT} === '12 of 47: surface'")
    assert page.evaluate(f"{NODE}.widgets.length") == widgets + 1
    assert page.evaluate(f"{NODE}.serialize().widgets_values.length") == values
    assert page.evaluate(f"{NODE}.a124Status.sparkline.legend.title").startswith("losses (lower is better, noisy is ")
    page.evaluate(send, ["execution_interrupted", {"prompt_id": "x", "node_id": node}])
    page.wait_for_function(f"{TEXT} === 'Cancelled.'")
    state = page.evaluate(f"{NODE}.properties.a124_status")
    assert 50 <= len(state["curves"]["steps"]) <= 100 and state["curves"]["steps"][-1] == 299
    assert own_errors(page) == []


def test_a_node_that_is_done_is_kept_while_later_ones_work(page: Page) -> None:
    """A page reloaded in the middle of a run must not say of a finished stage what it said in the run before."""
    send = "([name, detail]) => void app.api.dispatchEvent(new CustomEvent(name, { detail }))"
    node = page.evaluate(f"String({NODE}.id)")
    page.evaluate(f"{NODE}.properties.a124_status = {{ text: 'Cancelled at step 216 of 250.' }}")
    page.evaluate(send, ["animate124.text", {"node": node, "text": "step 3 of 250", "running": True}])
    page.wait_for_function(f"{TEXT} === 'step 3 of 250'")
    page.evaluate(send, ["animate124.text", {"node": node, "text": "Done: 250 steps.", "running": False}])
    page.wait_for_function(f"{NODE}.properties.a124_status.text === 'Done: 250 steps.'", timeout=5000)
    assert own_errors(page) == []
