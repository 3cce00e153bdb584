"""The layout of the shipped workflows, and app and blueprint made of them, so that a change of a workflow reaches both.

    python -m tools.make_templates            write them
    python -m tools.make_templates --check    only say whether they are up to date

An app (workflows/*.app.json) is a workflow that ComfyUI opens as a form: `linearData` names its widgets and its
results. A blueprint (subgraphs/*.json) is a workflow of one node, which holds the nodes of another one. Where nodes
lie, and how large they are, is computed (tools/layout.py).
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import Any

from tools.layout import arranged

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("A124StaticOptimizer", "A124CoarseOptimizer", "A124FineOptimizer")
APPS = {  # workflow -> widgets by node type, in the form's order, and node types whose results are shown
    "01_quickstart": (
        (("A124ExamplePicture", "subject"), ("A124BuiltInPriors", "prompt"), ("A124BuiltInPriors", "motion")),
        ("SaveVideo", "A124ExportMesh"),
    ),
    "05_clip_driven": (
        (("LoadVideo", "file"), ("A124BuiltInPriors", "prompt")),
        ("SaveVideo",),
    ),
}
BLUEPRINT = "Animate a picture"
SOURCE = "01_quickstart"
INSIDE = (
    "A124Reference", "A124BuiltInPriors", *STAGES, "A124Cameras", "A124Render", "CreateVideo", "A124ExportMesh",
)
INPUTS = (  # name, type, and the slots inside that it feeds
    ("image", "IMAGE", (("A124Reference", "image"),)),
    ("mask", "MASK", (("A124Reference", "mask"),)),
    ("prompt", "STRING", (("A124BuiltInPriors", "prompt"),)),
    ("preset", "COMBO", tuple((stage, "preset") for stage in STAGES)),
)
OUTPUTS = (  # name, type, and the slot inside that it shows
    ("video", "VIDEO", ("CreateVideo", "VIDEO")),
    ("file", "FILE_3D", ("A124ExportMesh", "file")),
    ("path", "STRING", ("A124ExportMesh", "path")),
    ("field", "A124_FIELD", ("A124FineOptimizer", "field")),
)
MESH_NAME = "picture"  # of the file that the blueprint saves
INPUT_NODE, OUTPUT_NODE = -10, -20  # ids that the host gives the two ends of a subgraph
DESCRIPTION = "A picture and a sentence become a moving 3D scene: a video and an animated GLB. Nothing is downloaded."


def load_workflow(name: str) -> dict[str, Any]:
    """Return a shipped workflow, laid out."""
    return arranged(json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8")))


def make_app(name: str) -> dict[str, Any]:
    """Return the workflow with the entries that make it an app."""
    workflow, (widgets, results) = load_workflow(name), APPS[name]
    ids = {node["type"]: node["id"] for node in workflow["nodes"]}
    form = {"inputs": [[ids[kind], widget] for kind, widget in widgets], "outputs": [ids[kind] for kind in results]}
    extra = {**workflow["extra"], "linearMode": True, "linearData": form}
    return {**workflow, "id": _identity(f"app {name}"), "extra": extra}


def make_blueprint() -> dict[str, Any]:
    """Return a workflow of one node, whose definition holds nodes of SOURCE."""
    source = load_workflow(SOURCE)
    nodes = {node["type"]: node for node in source["nodes"] if node["type"] in INSIDE}
    mesh_widgets = [slot["name"] for slot in nodes["A124ExportMesh"]["inputs"] if "widget" in slot]
    nodes["A124ExportMesh"]["widgets_values"][mesh_widgets.index("name")] = MESH_NAME
    ids = {node["id"] for node in nodes.values()}
    links = [_link(*row) for row in source["links"] if row[1] in ids and row[3] in ids]
    remaining = {link["id"] for link in links}
    for node in nodes.values():
        for slot in node["inputs"]:
            slot["link"] = slot.get("link") if slot.get("link") in remaining else None
        for slot in node["outputs"]:
            slot["links"] = [link for link in slot["links"] or () if link in remaining]
    inputs = [_promote_input(k, *declared, nodes, links) for k, declared in enumerate(INPUTS)]
    outputs = [_promote_output(k, *declared, nodes, links) for k, declared in enumerate(OUTPUTS)]
    subgraph = {
        "id": _identity(BLUEPRINT), "version": 1, "revision": 0, "config": {}, "name": BLUEPRINT,
        "state": {
            "lastGroupId": 0, "lastNodeId": max(ids), "lastLinkId": max(link["id"] for link in links),
            "lastRerouteId": 0,
        },
        "inputNode": {"id": INPUT_NODE, "bounding": [-200, 100, 120, 40 + 20 * len(INPUTS)]},
        "outputNode": {"id": OUTPUT_NODE, "bounding": [2600, 100, 120, 40 + 20 * len(OUTPUTS)]},
        "inputs": inputs, "outputs": outputs, "widgets": [], "nodes": list(nodes.values()), "groups": [],
        "links": links, "extra": {}, "category": "Animate124", "description": DESCRIPTION,
    }
    return {
        "id": _identity(f"{BLUEPRINT} workflow"), "revision": 0, "last_node_id": 1, "last_link_id": 0,
        "nodes": [_outer_node(subgraph, nodes)], "links": [], "groups": [], "definitions": {"subgraphs": [subgraph]},
        "config": {}, "extra": {}, "version": 0.4,
    }


def _outer_node(subgraph: dict[str, Any], nodes: dict[str, dict]) -> dict[str, Any]:
    """Return the node that stands for the subgraph, with its widgets' first values."""
    slots = []
    for name, kind, targets in INPUTS:
        slot: dict[str, Any] = {"name": name, "type": kind, "link": None}
        slots.append(slot | ({"widget": {"name": name}} if "widget" in _slot(nodes, *targets[0])[1] else {}))
    widgets = [slot["name"] for slot in slots if "widget" in slot]
    return {
        "id": 1, "type": subgraph["id"], "pos": [100, 100], "size": [320, 200], "flags": {}, "order": 0, "mode": 0,
        "inputs": slots, "outputs": [{"name": name, "type": kind, "links": []} for name, kind, _ in OUTPUTS],
        "title": BLUEPRINT, "properties": {"proxyWidgets": [["-1", name] for name in widgets]},
        "widgets_values": [nodes["A124BuiltInPriors"]["widgets_values"][0], "auto"],
    }


def _promote_input(
    slot: int, name: str, kind: str, targets: tuple[tuple[str, str], ...], nodes: dict[str, dict], links: list[dict]
) -> dict[str, Any]:
    """Link an input of the subgraph to slots inside; return its declaration."""
    made = []
    for target in targets:
        index, entry = _slot(nodes, *target)
        row = (_next_link(links), INPUT_NODE, slot, nodes[target[0]]["id"], index, kind)
        links.append(_link(*row))
        entry["link"] = row[0]
        made.append(row[0])
    return {"id": _identity(f"input {name}"), "name": name, "type": kind, "linkIds": made,
            "pos": [-100, 120 + 20 * slot]}


def _promote_output(
    slot: int, name: str, kind: str, source: tuple[str, str], nodes: dict[str, dict], links: list[dict]
) -> dict[str, Any]:
    """Link a slot inside to an output of the subgraph; return its declaration."""
    outputs = nodes[source[0]]["outputs"]
    index = next(k for k, entry in enumerate(outputs) if entry["name"] == source[1])
    row = (_next_link(links), nodes[source[0]]["id"], index, OUTPUT_NODE, slot, kind)
    links.append(_link(*row))
    outputs[index]["links"].append(row[0])
    return {"id": _identity(f"output {name}"), "name": name, "type": kind, "linkIds": [row[0]],
            "pos": [2620, 120 + 20 * slot]}


def _slot(nodes: dict[str, dict], kind: str, name: str) -> tuple[int, dict[str, Any]]:
    return next((k, slot) for k, slot in enumerate(nodes[kind]["inputs"]) if slot["name"] == name)


def _next_link(links: list[dict]) -> int:
    return max(link["id"] for link in links) + 1


def _link(number: int, origin: int, origin_slot: int, target: int, target_slot: int, kind: str) -> dict[str, Any]:
    return {"id": number, "origin_id": origin, "origin_slot": origin_slot, "target_id": target,
            "target_slot": target_slot, "type": kind}


def _identity(name: str) -> str:
    """Return the same identity for the same name, so that files change only where their contents do."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"animate124/{name}"))


def contents() -> dict[Path, str]:
    """Return every file and what it must hold."""
    names = [file.stem for file in (ROOT / "workflows").glob("*.json") if not file.stem.endswith(".app")]
    made = {ROOT / "workflows" / f"{name}.json": load_workflow(name) for name in names}
    made |= {ROOT / "workflows" / f"{name}.app.json": make_app(name) for name in APPS}
    made[ROOT / "subgraphs" / f"{BLUEPRINT}.json"] = make_blueprint()
    return {path: json.dumps(value, indent=2, ensure_ascii=False) + "\n" for path, value in made.items()}


def main(check: bool) -> int:
    """Write what differs, or only name it."""
    stale = [
        path for path, text in contents().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(contents()[path], encoding="utf-8")
        print(f"{path.relative_to(ROOT)} {'is out of date' if check else 'written'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
