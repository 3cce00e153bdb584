"""Saved workflows against the schemas: node ids, inputs, links and widget counts. Needs no host and runs nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from a124core.stages.presets import preset
from tools.make_templates import contents

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(file for file in (ROOT / "workflows").glob("*.json") if not file.stem.endswith(".app"))
WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN")

# The host's nodes that we may use, as all hosts from 0.3.64 on have them: sockets, outputs, numbers of widget values.
CORE: dict[str, tuple[dict[str, str], list[str], int]] = {
    "CheckpointLoaderSimple": ({}, ["MODEL", "CLIP", "VAE"], 1),
    "ImageOnlyCheckpointLoader": ({}, ["MODEL", "CLIP_VISION", "VAE"], 1),
    "ControlNetLoader": ({}, ["CONTROL_NET"], 1),
    "LoadVideo": ({}, ["VIDEO"], 2),
    "GetVideoComponents": ({"video": "VIDEO"}, ["IMAGE", "AUDIO", "FLOAT"], 0),
    "LoadImage": ({}, ["IMAGE", "MASK"], 2),
    "PreviewImage": ({"images": "IMAGE"}, [], 0),
    "Preview3D": ({"model_file": "STRING"}, [], 1),
    "CreateVideo": ({"images": "IMAGE", "audio": "AUDIO"}, ["VIDEO"], 1),
    "SaveVideo": ({"video": "VIDEO"}, [], 3),
    "MarkdownNote": ({}, [], 1),
}
# Those that older hosts lack: a template with one of them says in its note which ComfyUI it needs.
NEWER: dict[str, tuple[dict[str, str], list[str], int]] = {
    "LoadBackgroundRemovalModel": ({}, ["BACKGROUND_REMOVAL"], 1),
    "RemoveBackground": ({"image": "IMAGE", "bg_removal_model": "BACKGROUND_REMOVAL"}, ["MASK"], 0),
    "UNETLoader": ({}, ["MODEL"], 2),
    "CLIPVisionLoader": ({}, ["CLIP_VISION"], 1),
    "VAELoader": ({}, ["VAE"], 1),
    "TripoSplatPreprocessImage": ({"image": "IMAGE", "mask": "MASK"}, ["IMAGE"], 2),
    "TripoSplatConditioning": (
        {"clip_vision": "CLIP_VISION", "vae": "VAE", "image": "IMAGE"}, ["CONDITIONING", "CONDITIONING", "LATENT"], 0,
    ),
    "KSampler": (
        {"model": "MODEL", "positive": "CONDITIONING", "negative": "CONDITIONING", "latent_image": "LATENT"},
        ["LATENT"], 7,
    ),
    "VAEDecodeTripoSplat": ({"samples": "LATENT", "vae": "VAE"}, ["SPLAT"], 3),
}
HOSTS_NODES = CORE | NEWER
# Loaders of model files, and the folders of ComfyUI/models that their files belong to.
LOADERS = {
    "CheckpointLoaderSimple": "checkpoints",
    "ImageOnlyCheckpointLoader": "checkpoints",
    "ControlNetLoader": "controlnet",
    "A124ModelScopeLoader": "text2video",
    "LoadBackgroundRemovalModel": "background_removal",
    "UNETLoader": "diffusion_models",
    "CLIPVisionLoader": "clip_vision",
    "VAELoader": "vae",
}
NATIVE = ("CheckpointLoaderSimple", "ImageOnlyCheckpointLoader", "A124ModelScopeLoader")  # of models that are priors
TITLE = 30  # pixels above a node
PAGE = (1890, 1040)  # pixels that the host takes for its canvas
GUIDED_BY_MODELS = ("A124ImageGuidance", "A124ViewGuidance", "A124VideoGuidance", "A124RefineGuidance")
FOLDERS = ("A124DiffusersGuidance",)  # of many files: ComfyUI's dialog fetches single ones
AT_HAND = {  # their lists are what a user's folders hold
    "A124ModelScopeLoader": ["model"],
    "A124DiffusersGuidance": ["model", "control_net"],
    "A124LoadField": ["file"],
}


@pytest.fixture(params=FILES, ids=lambda p: p.stem)
def file(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def workflow(file: Path) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def schema(node: dict, pack: ModuleType) -> tuple[dict[str, str], list[str], dict[str, tuple] | int]:
    """Sockets by name, output types, widgets (ours: their specs by name; the host's: how many)."""
    if node["type"] in HOSTS_NODES:
        return HOSTS_NODES[node["type"]]
    declared = pack.NODE_CLASS_MAPPINGS[node["type"]]
    inputs = declared.INPUT_TYPES()
    specs = {**inputs.get("required", {}), **inputs.get("optional", {})}
    widgets = {name: s for name, s in specs.items() if isinstance(s[0], list) or s[0] in WIDGET_TYPES}
    sockets = {name: s[0] for name, s in specs.items() if name not in widgets}
    return sockets, list(declared.RETURN_TYPES), widgets


def test_there_are_workflows_with_a_picture_each() -> None:
    assert [f.stem for f in FILES] == [
        "01_quickstart", "02_rewire_motion", "03_native_paper", "04_mixed_priors", "05_clip_driven", "06_refine_only",
        "07_export_and_view", "08_diffusers_folders", "09_model_and_clip", "10_posed_views", "11_animated_model",
        "20_zero123_v", "21_realfusion_v", "22_hexplane", "23_x4_upscaler", "24_text_to_4d", "25_image_to_4d",
        "26_magic123_static", "27_dreamfusion", "28_ablations",
    ]
    for file in FILES:
        assert file.with_suffix(".jpg").read_bytes()[:3] == b"\xff\xd8\xff", f"{file.stem} has no .jpg beside it"


def test_apps_and_blueprint_are_made_of_todays_workflows() -> None:
    for file, content in contents().items():
        assert file.read_text(encoding="utf-8") == content, f"run python -m tools.make_templates: {file.name}"
    for app in (ROOT / "workflows").glob("*.app.json"):
        made, workflow = (json.loads(p.read_text(encoding="utf-8")) for p in (app, app.with_name(
            app.name.replace(".app", ""))))
        assert made["nodes"] == workflow["nodes"] and made["links"] == workflow["links"]
        assert app.with_suffix(".jpg").read_bytes()[:3] == b"\xff\xd8\xff"
        nodes = {node["id"]: node for node in made["nodes"]}
        for number, widget in made["extra"]["linearData"]["inputs"]:
            assert widget in [slot["name"] for slot in nodes[number]["inputs"] if "widget" in slot]
        assert set(made["extra"]["linearData"]["outputs"]) <= set(nodes) and made["extra"]["linearMode"] is True


def test_the_blueprints_links_join_slots_that_exist_and_fit(pack: ModuleType) -> None:
    (file,) = (ROOT / "subgraphs").glob("*.json")
    blueprint = json.loads(file.read_text(encoding="utf-8"))
    (inside,) = blueprint["definitions"]["subgraphs"]
    assert blueprint["nodes"][0]["type"] == inside["id"] and file.stem == inside["name"]
    nodes = {node["id"]: node for node in inside["nodes"]}
    for link in inside["links"]:
        source, target, kind = nodes.get(link["origin_id"]), nodes.get(link["target_id"]), link["type"]
        ends = inside["inputs"] if source is None else source["outputs"]
        slots = inside["outputs"] if target is None else target["inputs"]
        assert ends[link["origin_slot"]]["type"] == slots[link["target_slot"]]["type"] == kind
        if target is not None:
            assert slots[link["target_slot"]]["link"] == link["id"]
    for node in inside["nodes"]:
        if node["type"] in pack.NODE_CLASS_MAPPINGS:
            widgets = schema(node, pack)[2]
            assert len(node["widgets_values"]) == len(widgets), node["type"]
    connected = {link["target_id"] for link in inside["links"]} | {link["origin_id"] for link in inside["links"]}
    assert set(nodes) <= connected, "no node is left alone"


def test_every_node_is_known_and_named_for_the_registry(workflow: dict, pack: ModuleType) -> None:
    assert workflow["version"] == 0.4
    ids = [n["id"] for n in workflow["nodes"]]
    assert len(ids) == len(set(ids)) and max(ids) == workflow["last_node_id"]
    for node in workflow["nodes"]:
        assert {"id", "type", "pos", "size", "flags", "order", "mode", "properties"} <= set(node)
        if node["type"] == "MarkdownNote":
            continue
        ours = node["type"] in pack.NODE_CLASS_MAPPINGS
        assert ours or node["type"] in HOSTS_NODES, f"{node['type']} is none that we may use"
        assert node["properties"]["cnr_id"] == ("animate124" if ours else "comfy-core")
        assert node["properties"]["ver"] and node["properties"]["Node name for S&R"] == node["type"]


def test_links_join_slots_that_exist_and_fit(workflow: dict, pack: ModuleType) -> None:
    nodes = {n["id"]: n for n in workflow["nodes"]}
    for link, source, out_slot, target, in_slot, kind in workflow["links"]:
        assert nodes[source]["order"] < nodes[target]["order"], f"node {target} comes before what it reads"
        slot = nodes[target]["inputs"][in_slot]
        assert slot["link"] == link and kind in slot["type"].split(",")  # a union of types takes any of them
        assert schema(nodes[target], pack)[0][slot["name"]] == slot["type"]
        assert schema(nodes[source], pack)[1][out_slot] == kind
        assert link in nodes[source]["outputs"][out_slot]["links"]
    assert max(row[0] for row in workflow["links"]) == workflow["last_link_id"]


def test_required_sockets_are_connected(workflow: dict, pack: ModuleType) -> None:
    for node in workflow["nodes"]:
        if node["type"] not in pack.NODE_CLASS_MAPPINGS:
            continue
        required = pack.NODE_CLASS_MAPPINGS[node["type"]].INPUT_TYPES()["required"]
        sockets = {name for name, s in required.items() if isinstance(s[0], str) and s[0] not in WIDGET_TYPES}
        connected = {slot["name"] for slot in node["inputs"] if slot.get("link") is not None}
        assert sockets <= connected, f"{node['type']} {node['id']}: {sockets - connected} not connected"


def test_widget_values_fit_their_widgets(workflow: dict, pack: ModuleType) -> None:
    for node in workflow["nodes"]:
        widgets, values = schema(node, pack)[2], node.get("widgets_values", [])
        if isinstance(widgets, int):
            assert len(values) == widgets, node["type"]
            continue
        assert len(values) == len(widgets), node["type"]
        for (name, spec), value in zip(widgets.items(), values, strict=True):
            if name not in AT_HAND.get(node["type"], []):
                assert fits(spec, value), f"{node['type']}: {value!r} is no value for {spec}"


def fits(spec: tuple, value: Any) -> bool:
    if isinstance(spec[0], list):
        return value in spec[0]
    if spec[0] in ("INT", "FLOAT"):
        return spec[1].get("min", value) <= value <= spec[1].get("max", value)
    return isinstance(value, bool if spec[0] == "BOOLEAN" else str)


def test_model_loaders_say_where_their_file_comes_from_and_goes(workflow: dict) -> None:
    for node in workflow["nodes"]:
        entries = node["properties"].get("models", [])
        assert bool(entries) == (node["type"] in LOADERS), node["type"]
        for entry in entries:
            assert set(entry) == {"name", "url", "directory"}
            assert entry["url"].startswith("https://huggingface.co/") and entry["url"].endswith(f"/{entry['name']}")
            assert entry["directory"] == LOADERS[node["type"]]
        assert not entries or entries[0]["name"] == node["widgets_values"][0], "the dialog looks the chosen name up"


def test_presets_are_short_ones(workflow: dict) -> None:
    chosen = {n["widgets_values"][0] for n in workflow["nodes"] if n["type"].endswith("Optimizer")}
    native = any(n["type"] in (*NATIVE, *FOLDERS) for n in workflow["nodes"])
    assert chosen == ({"draft"} if native else {"auto"}), "auto is demo where every prior is exact"


def test_guidances_of_one_graph_have_the_unit_that_can_be_mixed(workflow: dict, pack: ModuleType) -> None:
    """Wherever a model is among the priors: raw weights go with one preset, and not beside built-in ones."""
    kinds = {n["type"] for n in workflow["nodes"]}
    ours = [n for n in workflow["nodes"] if n["type"] in pack.NODE_CLASS_MAPPINGS]
    units = {value_of(n, "weight_unit", pack) for n in ours if "weight_unit" in schema(n, pack)[2]}
    assert len(units) <= 1 and (units == {"normalised"} or not kinds & {*GUIDED_BY_MODELS, *FOLDERS})


def test_repair_enlarges_a_draft_eight_times_as_the_release_does(workflow: dict, pack: ModuleType) -> None:
    """Its 64 pixels to 512, the release's 128 to 1,024 (docs/deviations.md, "Size of the refinement")."""
    for node in workflow["nodes"]:
        refines = node["type"] in FOLDERS and node["widgets_values"][0] == "refine"
        if node["type"] == "A124RefineGuidance" or refines:
            assert value_of(node, "size", pack) == 8 * preset("draft").fine.render.size


def test_the_short_textual_inversion_is_the_one_of_the_notes() -> None:
    """docs/deviations.md, "A short textual inversion"."""
    workflow = json.loads((ROOT / "workflows" / "03_native_paper.json").read_text(encoding="utf-8"))
    values = next(n for n in workflow["nodes"] if n["type"] == "A124TextualInversion")["widgets_values"]
    assert [values[k] for k in (2, 3, 5, 9)] == [1000, 4, 0.0005, "random"]  # steps, batch, lr, background


def value_of(node: dict, name: str, pack: ModuleType) -> Any:
    return node["widgets_values"][list(schema(node, pack)[2]).index(name)]


def test_groups_have_colours_notes_and_no_overlaps(workflow: dict) -> None:
    boxes = {n["id"]: (n["pos"][0], n["pos"][1] - 30, n["size"][0], n["size"][1] + 30) for n in workflow["nodes"]}
    groups = [g["bounding"] for g in workflow["groups"]]
    assert all(g["color"] for g in workflow["groups"])
    for name, rows in (("nodes", list(boxes.values())), ("groups", groups)):
        for k, a in enumerate(rows):
            assert not any(overlap(a, b) for b in rows[k + 1 :]), f"{name} overlap at {a}"
    for box in boxes.values():
        assert sum(inside(box, g) for g in groups) == 1, f"a node at {box} lies in no group"
    for group in groups:
        notes = [n for n in workflow["nodes"] if n["type"] == "MarkdownNote" and inside(boxes[n["id"]], group)]
        assert len(notes) == 1, "one note for each group"


def test_what_is_looked_at_in_3d_has_room(workflow: dict) -> None:
    for node in workflow["nodes"]:
        if node["type"] == "Preview3D":
            assert min(node["size"]) >= 500, "its canvas is what the node's own rows leave"


def test_it_is_laid_out_to_be_read(file: Path, workflow: dict) -> None:
    """In the host's fit view, three quarters of a page of 1920 x 1080, as far as the number of nodes lets."""
    rows = [(*n["pos"], *n["size"]) for n in workflow["nodes"]]
    width = max(x + w for x, _, w, _ in rows) - min(x for x, _, _, _ in rows)
    height = max(y + h for _, y, _, h in rows) - min(y for _, y, _, _ in rows) + TITLE
    fit = 0.75 * min(PAGE[0] / width, PAGE[1] / height)
    assert fit >= (0.39 if len(rows) > 20 else 0.45), f"{file.stem} is {width} x {height}: {fit:.2f}"
    view = workflow["extra"]["ds"]
    assert view["scale"] > 0.6, "below, ComfyUI 0.3.64 draws no text"
    shares = [PAGE[k] / (view["scale"] * (view["offset"][k] + (width, height)[k])) for k in (0, 1)]
    assert min(shares) > 0.75, "as saved, nearly all of it is on the page"


def test_models_are_listed_for_pages_that_look_at_chosen_names_alone(workflow: dict) -> None:
    entries = [entry for n in workflow["nodes"] for entry in n["properties"].get("models", [])]
    assert all(entry in entries for entry in workflow.get("models", []))
    assert all(entry in workflow["models"] for entry in entries)


def test_a_template_that_older_hosts_cannot_open_says_so(workflow: dict) -> None:
    newer = any(n["type"].startswith("TripoSplat") for n in workflow["nodes"])
    first = next(n for n in workflow["nodes"] if n["type"] == "MarkdownNote")["widgets_values"][0]
    assert first.startswith("**Needs ComfyUI 0.28 or newer**") == newer


def test_folders_of_many_files_are_linked_in_the_note() -> None:
    workflow = json.loads((ROOT / "workflows" / "08_diffusers_folders.json").read_text(encoding="utf-8"))
    note = next(n for n in workflow["nodes"] if n["type"] == "MarkdownNote")["widgets_values"][0]
    values = [v for n in workflow["nodes"] if n["type"] in FOLDERS for v in n["widgets_values"][1:3]]
    chosen = {v.partition("/")[2] for v in values if v != "none"}
    assert len(chosen) == 4 and all(f"[{name}](https://huggingface.co/" in note for name in chosen)


def overlap(a: list, b: list) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def inside(a: list, b: list) -> bool:
    return b[0] <= a[0] and b[1] <= a[1] and a[0] + a[2] <= b[0] + b[2] and a[1] + a[3] <= b[1] + b[3]
