"""The viewer in the real ComfyUI's own page, in a headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy
from tests.host.conftest import Host
from tests.web.chromium import NONE, Page, chromium, find_chromium

SECONDS = 120.0  # the host's page is large, the machine may be busy
PREVIEWS = (2, 3)
READY = "window.app?.canvas && window.app.extensionManager && (window.app.graph?.nodes?.length ?? 0) > 0"
FRONTEND = "(window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0').split('.').slice(0, 2).map(Number)"
VUE_NODES = [1, 41]  # the frontend that made them the default of new installations; those of 1.27 show no DOM widget
SHOWN = "[2, 3].every((id) => app.graph.getNodeById(id)?.a124Panel?.viewer?.header)"


@pytest.fixture(scope="module")
def scene(host: Host) -> None:
    """A small moving blob as a saved field, and a user who has been here before: newcomers get a dialog."""
    host.post("/settings", {"Comfy.TutorialCompleted": True})
    rng = torch.Generator().manual_seed(0)
    config = FieldConfig(
        time_grids=3, levels=2, base_resolution=4, max_resolution=16, log2_hashmap_size=12, hidden=8,
        density="softplus", blob_density=8.0, blob_radius=0.5,
    )
    field = new_field(config, rng)
    field.table.uniform_(-3.0, 3.0, generator=rng)
    field = replace(field, occupancy=update_occupancy(empty_occupancy(16, 4, 1.0), field, 1.0, rng))
    folder = host.base / "output" / "animate124"
    folder.mkdir(parents=True, exist_ok=True)
    save_field(folder / "blob.safetensors", field)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    program = find_chromium()
    if program is None:
        pytest.skip(NONE)
    with chromium(program, tmp_path_factory.mktemp("chromium") / "profile") as port:
        yield port


@pytest.fixture
def page(browser: int, host: Host, scene: None) -> Iterator[Page]:
    tab = Page(browser)
    visit(tab, host)
    yield tab
    tab.close()


def visit(page: Page, host: Host) -> None:
    """Open the host's page and wait until its graph is there."""
    page.open(f"http://127.0.0.1:{host.port}/", (1500, 1000))
    page.until(READY, "the host's page has opened a workflow", SECONDS)
    page.run("new Promise((done) => setTimeout(done, 1500))")


def workflow() -> dict:
    """Load field -> two previews, and a Cameras node."""

    def node(number: int, kind: str, pos: tuple[int, int], size: tuple[int, int], **more: object) -> dict:
        return {
            "id": number, "type": kind, "pos": list(pos), "size": list(size), "flags": {}, "order": number - 1,
            "mode": 0, "inputs": [], "outputs": [], "properties": {}, "widgets_values": [], **more,
        }  # fmt: skip

    widgets = [24, 4, 8.0, 2.0, "white"]
    wires = [[k, 1, 0, k + 1, 0, "A124_FIELD"] for k in (1, 2)]
    output = {"name": "field", "type": "A124_FIELD", "links": [1, 2]}
    nodes = [node(1, "A124LoadField", (20, 100), (280, 80), outputs=[output], widgets_values=["blob.safetensors"])]
    for k in PREVIEWS:
        wire = {"name": "field", "type": "A124_FIELD", "link": k - 1}
        nodes.append(node(k, "A124Preview4D", (330 + 420 * (k - 2), 100), (400, 600), inputs=[wire],
                          widgets_values=widgets))  # fmt: skip
    keys = ["orbit", 0.0, 0.0, 1.8, 40.0, 1.0, 0.0, "0: 0 0 1.8\n1: 60 0 1.8"]
    nodes.append(node(4, "A124Cameras", (20, 250), (280, 320), widgets_values=keys))
    return {"last_node_id": 4, "last_link_id": 2, "nodes": nodes, "links": wires, "groups": [], "config": {},
            "extra": {"ds": {"scale": 1, "offset": [20, 20]}}, "version": 0.4}  # fmt: skip


def look(page: Page, tmp_path: Path, name: str) -> list[int]:
    """How many colours each viewer's place in a picture of the page has."""
    page.run("app.canvas.draw?.(true, true)")
    page.run("new Promise((done) => setTimeout(done, 500))")
    picture = Image.open(page.picture(tmp_path / f"{name}.png")).convert("RGB")
    counts = []
    for number in PREVIEWS:
        box = page.run(
            f"(() => {{ const r = app.graph.getNodeById({number}).a124Panel.viewer.canvas.getBoundingClientRect();"
            "return [r.left, r.top, r.right, r.bottom]; })()"
        )
        assert box[2] - box[0] > 100 and box[3] - box[1] > 60, f"the viewer of node {number} has no room: {box}"
        counts.append(len(picture.crop([round(v) for v in box]).resize((64, 64)).getcolors(64 * 64)))
    return counts


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue nodes"])
def test_two_viewers_show_survive_a_reload_and_a_second_queue(
    page: Page, host: Host, tmp_path: Path, vue: bool
) -> None:
    if vue and page.run(FRONTEND) < VUE_NODES:
        pytest.skip(f"the Vue nodes of frontend {page.run(FRONTEND)} are an early trial without DOM widgets")
    page.run(f"void app.extensionManager.setting.set('Comfy.VueNodes.Enabled', {json.dumps(vue)})")
    page.run("new Promise((done) => setTimeout(done, 500))")
    visit(page, host)
    page.run(f"app.loadGraphData({json.dumps(workflow())}).then(() => 0)")
    page.errors.clear()  # the host's own while it starts
    page.run("app.queuePrompt(0)")
    page.until(SHOWN, "both viewers have their scene", SECONDS)
    assert min(look(page, tmp_path, "queued")) > 50
    page.run("new Promise((done) => setTimeout(done, 1500))")  # the host keeps the workflow for the next visit
    assert page.run("new Set(app.graph._nodes.filter((n) => n.a124Panel).map((n) => n.a124Panel.shown)).size") == 1, (
        "one scene, one file"
    )
    visit(page, host)
    page.until(SHOWN, "both viewers are back after the reload", SECONDS)
    assert min(look(page, tmp_path, "reloaded")) > 50
    page.run("app.queuePrompt(0)")
    page.run("new Promise((done) => setTimeout(done, 1500))")
    assert page.run(SHOWN) and min(look(page, tmp_path, "again")) > 50
    assert ours(page) == []


def test_camera_losses_and_a_lost_file(page: Page, host: Host) -> None:
    page.run(f"app.loadGraphData({json.dumps(workflow())}).then(() => 0)")
    page.run("app.queuePrompt(0)")
    page.until(SHOWN, "both viewers have their scene", SECONDS)
    page.run("void (window.viewer = app.graph.getNodeById(2).a124Panel.viewer)")
    page.run("void Object.assign(viewer.camera, { azimuth: 33, elevation: 12, radius: 2 })")
    page.run("viewer.root.querySelector('[data-name=send]').click()")
    values = page.run("Object.fromEntries(app.graph.getNodeById(4).widgets.map((w) => [w.name, w.value]))")
    sent = {"kind": "orbit", "turns": 0, "azimuth": 33, "elevation": 12, "radius": 2, "fovy": 40}
    assert {k: values[k] for k in sent} == sent
    page.run("void app.graph.add(window.LiteGraph.createNode('A124CoarseOptimizer'))")
    page.run("void (window.optimizer = app.graph.nodes.find((n) => n.type === 'A124CoarseOptimizer'))")
    widgets = page.run("optimizer.widgets.length")
    for step in range(1, 30):
        event = {"node": page.run("String(optimizer.id)"), "stage": "coarse", "step": step, "steps": 100,
                 "seconds_left": 61.0, "losses": {"video": 1.0 / step, "rgb": 0.5}}  # fmt: skip
        page.run(f"void app.api.dispatchEvent(new CustomEvent('animate124.stats', {{ detail: {json.dumps(event)} }}))")
    assert page.run("optimizer.widgets.length") == widgets + 1
    assert page.run("optimizer.a124Sparkline.text.textContent") == "coarse 29 / 100, 61 s left"
    assert page.run("optimizer.serialize().widgets_values.length") == widgets
    kept = {file: file.read_bytes() for file in (host.base / "output" / "animate124" / "viewer").iterdir()}
    for file in kept:
        file.unlink()
    page.run("(() => { const p = app.graph.getNodeById(3).a124Panel; p.dispose(); return p.show(); })()")
    assert "no longer on the server" in page.run("app.graph.getNodeById(3).a124Panel.viewer.message.textContent")
    for path, content in kept.items():
        path.write_bytes(content)
    page.run("app.graph.getNodeById(3).a124Panel.show()")
    page.until("app.graph.getNodeById(3).a124Panel.viewer.ready", "the same file is shown when it is there again")
    page.run("void app.graph.remove(app.graph.getNodeById(2))")
    assert page.run("viewer.root.childElementCount") == 0, "a removed node gives its graphics context back"
    assert [e for e in ours(page) if "404" not in e] == []


def ours(page: Page) -> list[str]:
    """Errors that name our files."""
    return [error for error in page.errors if "animate124" in error.lower() or "a124" in error.lower()]
