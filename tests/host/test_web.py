"""The viewer in the real ComfyUI's own page, in a headless Chromium."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from PIL import Image

from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy
from tests.host.server import Host
from tests.web.conftest import errors

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 120_000  # milliseconds: the host's page is large, the machine may be busy
PREVIEWS = (2, 3)
READY = "window.app?.canvas && window.app.extensionManager && (window.app.graph?.nodes?.length ?? 0) > 0"
FRONTEND = "(window.__COMFYUI_FRONTEND_VERSION__ ?? '0.0').split('.').slice(0, 2).map(Number)"
VUE_NODES = [1, 41]  # the frontend that made them the default of new installations; those of 1.27 show no DOM widget
MISSING = [1, 45]  # the frontend that lists missing models beside the page
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


@pytest.fixture
def page(browser: Browser, host: Host, scene: None) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(PATIENCE)
    visit(page, host)
    yield page
    page.close()


def visit(page: Page, host: Host) -> None:
    """Open the host's page and wait until its graph is there."""
    page.goto(f"http://127.0.0.1:{host.port}/")
    page.wait_for_function(READY)
    page.wait_for_timeout(1500)


def workflow() -> dict:
    """Load field -> two previews, and a Cameras node."""

    def node(number: int, kind: str, pos: tuple[int, int], size: tuple[int, int], **more: object) -> dict:
        return {
            "id": number, "type": kind, "pos": list(pos), "size": list(size), "flags": {}, "order": number - 1,
            "mode": 0, "inputs": [], "outputs": [], "properties": {}, "widgets_values": [], **more,
        }

    widgets = [24, 4, 8.0, 2.0, "white"]
    wires = [[k, 1, 0, k + 1, 0, "A124_FIELD"] for k in (1, 2)]
    output = {"name": "field", "type": "A124_FIELD", "links": [1, 2]}
    nodes = [node(1, "A124LoadField", (20, 100), (280, 80), outputs=[output], widgets_values=["blob.safetensors"])]
    for k in PREVIEWS:
        wire = {"name": "field", "type": "A124_FIELD", "link": k - 1}
        nodes.append(node(k, "A124Preview4D", (330 + 420 * (k - 2), 100), (400, 600), inputs=[wire],
                          widgets_values=widgets))
    keys = ["orbit", 0.0, 0.0, 1.8, 40.0, 1.0, 0.0, "0: 0 0 1.8\n1: 60 0 1.8"]
    nodes.append(node(4, "A124Cameras", (20, 250), (280, 320), widgets_values=keys))
    return {"last_node_id": 4, "last_link_id": 2, "nodes": nodes, "links": wires, "groups": [], "config": {},
            "extra": {"ds": {"scale": 1, "offset": [20, 20]}}, "version": 0.4}


def count_colours(page: Page, file: Path) -> list[int]:
    """Count the colours of each viewer's canvas in a screenshot of the page."""
    page.evaluate("app.canvas.draw?.(true, true)")
    page.wait_for_timeout(500)
    page.screenshot(path=file)
    image = Image.open(file).convert("RGB")
    counts = []
    for number in PREVIEWS:
        box = page.evaluate(
            "(id) => { const r = app.graph.getNodeById(id).a124Panel.viewer.canvas.getBoundingClientRect();"
            "return [r.left, r.top, r.right, r.bottom]; }", number,
        )
        assert box[2] - box[0] > 100 and box[3] - box[1] > 60, f"the viewer of node {number} is too small: {box}"
        counts.append(len(image.crop([round(v) for v in box]).resize((64, 64)).getcolors(64 * 64)))
    return counts


@pytest.mark.parametrize("vue", [False, True], ids=["classic", "vue nodes"])
def test_two_viewers_show_survive_a_reload_and_a_second_queue(
    page: Page, host: Host, tmp_path: Path, vue: bool
) -> None:
    if vue and page.evaluate(FRONTEND) < VUE_NODES:
        pytest.skip(f"the Vue nodes of frontend {page.evaluate(FRONTEND)} are an early trial without DOM widgets")
    page.evaluate("(vue) => void app.extensionManager.setting.set('Comfy.VueNodes.Enabled', vue)", vue)
    page.wait_for_timeout(500)
    visit(page, host)
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow())
    page.clear_console_messages()  # the host's own while it starts
    page.clear_page_errors()
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_function(SHOWN)
    assert min(count_colours(page, tmp_path / "queued.png")) > 50
    page.wait_for_timeout(1500)  # the host keeps the workflow for the next visit
    files = page.evaluate("app.graph._nodes.filter((n) => n.a124Panel).map((n) => n.a124Panel.shown)")
    assert len(set(files)) == 1, "one scene, one file"
    visit(page, host)
    page.wait_for_function(SHOWN)
    assert min(count_colours(page, tmp_path / "reloaded.png")) > 50
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_timeout(1500)
    assert page.evaluate(SHOWN) and min(count_colours(page, tmp_path / "again.png")) > 50
    assert own_errors(page) == []


def test_camera_and_a_lost_file(page: Page, host: Host) -> None:
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow())
    page.evaluate("app.queuePrompt(0)")
    page.wait_for_function(SHOWN)
    page.evaluate("void (window.viewer = app.graph.getNodeById(2).a124Panel.viewer)")
    page.evaluate("void Object.assign(viewer.camera, { azimuth: 33, elevation: 12, radius: 2 })")
    page.evaluate("viewer.root.querySelector('[data-name=send]').click()")
    values = page.evaluate("Object.fromEntries(app.graph.getNodeById(4).widgets.map((w) => [w.name, w.value]))")
    sent = {"kind": "orbit", "turns": 0, "azimuth": 33, "elevation": 12, "radius": 2, "fovy": 40}
    assert {k: values[k] for k in sent} == sent
    contents = {file: file.read_bytes() for file in (host.base / "output" / "animate124" / "viewer").iterdir()}
    for file in contents:
        file.unlink()
    page.evaluate("(() => { const p = app.graph.getNodeById(3).a124Panel; p.dispose(); return p.show(); })()")
    assert "no longer on the server" in page.evaluate("app.graph.getNodeById(3).a124Panel.viewer.message.textContent")
    for path, content in contents.items():
        path.write_bytes(content)
    page.evaluate("app.graph.getNodeById(3).a124Panel.show()")
    page.wait_for_function("app.graph.getNodeById(3).a124Panel.viewer.ready")
    page.evaluate("void app.graph.remove(app.graph.getNodeById(2))")
    assert page.evaluate("viewer.root.childElementCount") == 0, "a removed node gives its graphics context back"
    assert [e for e in own_errors(page) if "404" not in e] == []


def test_names_take_the_tokens_of_save_image(page: Page) -> None:
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow())
    for kind in ("A124SaveField", "A124ExportMesh", "A124ExportFrames", "A124ExportViewer"):
        page.evaluate(
            "(kind) => { const n = window.LiteGraph.createNode(kind); app.graph.add(n);"
            "n.widgets.find((w) => w.name === 'name').value = '%date:yyyy%/%A124Cameras.kind%_%width%'; }", kind,
        )
        prompt = page.evaluate("app.graphToPrompt().then((p) => p.output)")
        queued = next(n["inputs"]["name"] for n in prompt.values() if n["class_type"] == kind)
        assert queued == f"{time.strftime('%Y')}/orbit_%width%", "the node itself knows the width"
        saved = page.evaluate("(kind) => app.graph.serialize().nodes.find((n) => n.type === kind).widgets_values", kind)
        assert "%date:yyyy%/%A124Cameras.kind%_%width%" in saved, "the workflow keeps the tokens"


def test_a_scene_that_is_saved_meanwhile_is_no_missing_model(page: Page, host: Host) -> None:
    graph = workflow()
    graph["nodes"][0]["widgets_values"] = ["later.safetensors"]
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", graph)
    page.evaluate("void (window.saver = window.LiteGraph.createNode('A124SaveField'), app.graph.add(saver))")
    missing = "/required model is missing/.test(document.body.innerText)"
    if page.evaluate(FRONTEND) >= MISSING:
        page.wait_for_function(missing)
    folder = host.base / "output" / "animate124"
    shutil.copy(folder / "blob.safetensors", folder / "later.safetensors")
    page.evaluate("saver.onExecuted({ text: ['Saved'] })")
    page.wait_for_function("app.graph.getNodeById(1).widgets[0].options.values.includes('later.safetensors')")
    page.wait_for_function(f"!{missing}")


def test_a_cameras_node_shows_what_its_kind_uses_and_keeps_all_values(page: Page) -> None:
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", workflow())
    page.evaluate("void (window.cameras = app.graph.getNodeById(4))")
    values = "JSON.stringify([cameras.serialize().widgets_values, Object.keys(cameras.serialize())])"
    before = page.evaluate(values)
    choose = "(kind) => { const w = cameras.widgets[0]; w.value = kind; w.callback(kind); }"
    shown = "cameras.widgets.filter((w) => !w.hidden).map((w) => w.name)"
    expected = {
        "orbit": ["kind", "elevation", "azimuth", "radius", "fovy", "turns", "eye_distance"],
        "spline": ["kind", "radius", "fovy", "keyframes", "eye_distance"],
        "file": ["kind", "eye_distance", "file"],
    }
    assert page.evaluate(shown) == expected["orbit"]
    for kind, names in expected.items():
        page.evaluate(choose, kind)
        assert page.evaluate(shown) == names
        page.evaluate("void app.canvas.draw(true, true)")  # the host places widgets when it draws them
        rows = page.evaluate("cameras.widgets.filter((w) => !w.hidden && w.type !== 'customtext').map((w) => w.y)")
        gaps = [b - a for a, b in itertools.pairwise(rows)] if kind != "spline" else []
        assert all(20 <= gap <= 28 for gap in gaps), f"{kind} leaves gaps: {rows}"
    page.evaluate(choose, "orbit")
    assert page.evaluate(values) == before and len(page.evaluate("cameras.serialize().widgets_values")) == 10
    saved = page.evaluate("(cameras.widgets[0].value = 'file', app.graph.serialize())")
    page.evaluate("(graph) => app.loadGraphData(graph).then(() => 0)", saved)
    page.evaluate("void (window.cameras = app.graph.getNodeById(4))")
    assert page.evaluate(shown) == expected["file"]


def own_errors(page: Page) -> list[str]:
    """Return the errors that name our files."""
    return [error for error in errors(page) if "animate124" in error.lower() or "a124" in error.lower()]
