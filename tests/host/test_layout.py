"""The shipped workflows in the host's own page, in both looks of its nodes: as opened, and with what nodes show after a
run, nothing lies over anything else or out of its group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.host.server import Host
from tests.host.test_web import FRONTEND, PATIENCE, VUE_NODES, visit
from tests.host.workflow_models import write_film
from tests.test_workflows import inside, overlap

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(file.stem for file in (ROOT / "workflows").glob("*.json") if not file.stem.endswith(".app"))
KNOWN = "(types) => types.filter((type) => !(type in LiteGraph.registered_node_types))"
# Boxes [x, y, width, height] of the nodes with their titles, in the graph's pixels: those of the page's elements, or,
# where the host draws the nodes itself, those of the graph.
BOXES = """() => {
  const { scale, offset } = app.canvas.ds, page = app.canvas.canvas.getBoundingClientRect();
  return app.graph._nodes.map((node) => {
    const element = document.querySelector(`[data-node-id="${node.id}"]`), [width, height] = node.size;
    if (!element) return [node.pos[0], node.pos[1] - 30, width, Math.max(height, node.computeSize()[1]) + 30];
    const box = element.getBoundingClientRect(), corner = [box.x - page.x, box.y - page.y];
    return [...corner.map((v, k) => v / scale - offset[k]), box.width / scale, box.height / scale];
  });
}"""
# What the host sends in a run, by its own events: texts, losses, previews, pictures and a film that were saved.
AFTER_A_RUN = """async () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 512, height: 256 });
  canvas.getContext("2d").fillRect(100, 20, 200, 200);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg"));
  const send = (name, detail) => app.api.dispatchEvent(new CustomEvent(name, { detail }));
  const film = { filename: "clip.mp4", subfolder: "", type: "input" }, picture = { ...film, filename: "cut.png" };
  const outputs = { PreviewImage: { images: [picture] }, SaveVideo: { images: [film], animated: [true] } };
  const silent = ["A124ExamplePicture", "A124Cameras", "A124Render", "A124LoadField", "A124ModelScopeLoader"];
  for (const { id, type } of app.graph._nodes) {
    const node = String(id), output = outputs[type];
    if (output) send("executed", { node, display_node: node, output, prompt_id: "x" });
    if (/Optimizer$/.test(type)) {
      send("b_preview_with_metadata", { blob, nodeId: node, displayNodeId: node, jobId: "x", promptId: "x" });
      for (let step = 1; step < 40; step++) {
        send("animate124.stats", { node, stage: type, step, losses: { rgb: 1 / step, mask: 0.2, "sds view": 0.3 } });
      }
    }
    if (!type.startsWith("A124") || silent.includes(type)) continue;
    const text = "One line that is long enough to take two of them.\\nAnd details, which take two lines as well.";
    send("animate124.text", { node, text, running: false, picture: canvas.toDataURL("image/jpeg") });
  }
}"""


@pytest.fixture(scope="module", params=[False, True], ids=["classic", "vue nodes"])
def page(browser: Browser, host: Host, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The host's page in one of both looks, with a picture and a film in the input folder."""
    write_film(host.base / "input" / "clip.mp4")
    Image.new("RGB", (512, 512), "white").save(host.base / "input" / "cut.png")
    host.post("/settings", {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": request.param})
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.set_default_timeout(PATIENCE)
    visit(page, host)
    if request.param and page.evaluate(FRONTEND) < VUE_NODES:
        pytest.skip(f"the Vue nodes of frontend {page.evaluate(FRONTEND)} are an early trial")
    yield page
    page.close()
    host.post("/settings", {"Comfy.VueNodes.Enabled": False})


@pytest.mark.parametrize("name", NAMES)
def test_nothing_lies_over_anything_before_and_after_a_run(page: Page, name: str) -> None:
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    if unknown := page.evaluate(KNOWN, [node["type"] for node in workflow["nodes"]]):
        pytest.skip(f"{name} needs a newer host: {unknown}")
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow)
    page.wait_for_timeout(2500)
    assert faults(page, workflow) == []
    page.evaluate(AFTER_A_RUN)
    page.wait_for_timeout(4000)
    assert faults(page, workflow) == []


def faults(page: Page, workflow: dict[str, Any]) -> list[str]:
    """Return the pairs of nodes that overlap and the nodes out of their groups, with their boxes."""
    boxes = page.evaluate(BOXES)
    named = [(f"{node['id']} {node['type']}", box) for node, box in zip(workflow["nodes"], boxes, strict=True)]
    groups = [group["bounding"] for group in workflow["groups"]]
    found = [f"{a} over {b}" for k, (a, x) in enumerate(named) for b, y in named[k + 1 :] if overlap(x, y)]
    return found + [f"{a} out of its group: {x}" for a, x in named if not any(inside(x, g) for g in groups)]
