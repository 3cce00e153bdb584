"""The graphs of the compared systems wire what docs/variants.md says: each stage, each prior. Runs nothing."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from types import ModuleType

import pytest

from a124core.cli.variants import VARIANTS
from tests.test_workflows import value_of

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(
    r"\| `(?P<name>[a-z0-9-]+)` \| \[`(?P<file>\w+)`\]\([^)]*\) \| (?P<options>.*?) ?\|(?P<stages>.*)\|[^|]*\|$"
)
STAGES = ("static", "coarse", "fine")
WIRES = {  # input of an optimizer, output that it comes from -> the word of the page
    ("reference", "reference"): "picture",
    ("image_guidance", "image guidance"): "image",
    ("view_guidance", "view guidance"): "view",
    ("video_guidance", "video guidance"): "video",
    ("refine_guidance", "refine guidance"): "refine",
    ("refine_guidance", "upscale guidance"): "upscale",
}
Wiring = dict[str, set[str]]


def load(name: str) -> dict:
    return json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))


def page() -> dict[str, tuple[str, str, Wiring]]:
    """Name of a variant -> its workflow, its options and what each stage has, as the page's table says."""
    rows: dict[str, tuple[str, str, Wiring]] = {}
    for line in (ROOT / "docs" / "variants.md").read_text(encoding="utf-8").splitlines():
        if row := ROW.match(line):
            cells = dict(zip(STAGES, row["stages"].split("|"), strict=True))
            whole = rows["full"][2] if rows else {}
            stages = {s: whole[s] if "as `full`" in c else terms(c) for s, c in cells.items() if c.strip()}
            rows[row["name"]] = (row["file"], row["options"].strip("` "), stages)
    return rows


def terms(cell: str) -> set[str]:
    return {part.split()[0] for part in cell.split(",")}


def wiring(workflow: dict, optimizer: dict) -> set[str]:
    """What an optimizer has: words of the page."""
    nodes = {n["id"]: n for n in workflow["nodes"]}
    found = set()
    for _, source, out_slot, target, in_slot, _ in workflow["links"]:
        if target == optimizer["id"]:
            ends = (optimizer["inputs"][in_slot]["name"], nodes[source]["outputs"][out_slot]["name"])
            found |= {WIRES[ends]} if ends[0] not in ("field", "field_config") else set()
    return found


def of_stage(workflow: dict, stage: str) -> list[dict]:
    return [n for n in workflow["nodes"] if n["type"] == f"A124{stage.capitalize()}Optimizer"]


def test_every_variant_of_the_page_is_one_of_the_command_line_with_the_same_options() -> None:
    known = {variant.name: variant.arguments for variant in VARIANTS}
    assert len(page()) == 9
    for name, (_, options, _) in page().items():
        assert tuple(shlex.split(options)) == known[name]


@pytest.mark.parametrize("name", list(page()))
def test_a_graph_wires_what_the_page_says(name: str) -> None:
    file, _, stages = page()[name]
    workflow = load(file)
    found = {stage: wiring(workflow, node) for stage in STAGES for node in of_stage(workflow, stage)}
    assert found == stages


def test_hexplane_is_where_the_command_line_has_it(pack: ModuleType) -> None:
    for name, (file, options, _) in page().items():
        workflow = load(file)
        configs = [n for n in workflow["nodes"] if n["type"] == "A124FieldConfig"]
        wired = {link[3] for link in workflow["links"] if link[5] == "A124_FIELD_CONFIG"}
        assert bool(configs) == ("--backbone HexPlane" in options), name
        for node in configs:
            assert value_of(node, "backbone", pack) == "HexPlane"
            assert wired == {n["id"] for stage in ("static", "coarse") for n in of_stage(workflow, stage)}
        for node in (n for n in workflow["nodes"] if n["type"] == "A124Reference"):
            assert value_of(node, "azimuth", pack) == (45.0 if configs else 0.0), "docs/deviations.md"


def test_the_prompt_of_image_to_4d_alone_lacks_its_verb(pack: ModuleType) -> None:
    prompts = {
        name: value_of(node, "prompt", pack)
        for name, (file, _, stages) in page().items()
        if "coarse" in stages
        for node in load(file)["nodes"]
        if node["type"] == "A124BuiltInPriors"
    }
    assert prompts.pop("image-to-4d") == "a panda" and set(prompts.values()) == {"a panda is dancing"}


def test_each_branch_of_the_ablations_differs_in_one_thing(pack: ModuleType) -> None:
    workflow, whole = load("28_ablations"), page()["full"][2]
    fields = {link[3]: link[1] for link in workflow["links"] if link[5] == "A124_FIELD"}
    nodes = {n["id"]: n for n in workflow["nodes"]}
    found = {}
    for render in (n for n in workflow["nodes"] if n["type"] == "A124Render"):
        line, at = [], fields[render["id"]]
        while at is not None:
            line, at = [nodes[at], *line], fields.get(at)
        found[render["title"].removeprefix("6 Render: ")] = line
    assert {len(found[name]) for name in ("whole", "no 3D prior", "no balancing", "current render")} == {3}
    for name, line in found.items():
        lacks = {"view"} if name == "no 3D prior" else set()
        for stage, node in zip(STAGES, line, strict=False):
            assert wiring(workflow, node) == whole[stage] - lacks, name
            if stage != "static":
                drawn = value_of(node, "sampling", pack)
                assert drawn == ("random" if name == "no balancing" else "as the preset"), name
        if len(line) == 3:
            condition = value_of(line[2], "condition", pack)
            assert condition == ("current render" if name == "current render" else "frozen coarse")
    shared = found["whole"]
    assert found["no refinement"] == shared[:2] == found["current render"][:2] and found["no balancing"][0] is shared[0]
    assert found["no 3D prior"][0] is not shared[0]
