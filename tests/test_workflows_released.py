"""Graphs that users have saved: the workflows as they were released, which every later pack must still read.

tests/workflows_released/ui holds what was saved, tests/workflows_released/api what the page of ComfyUI 0.28.1 exports
of it. Neither is ever edited: a later release adds files. Needs no host and runs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.test_workflows import AT_HAND, WIDGET_TYPES, fits

FOLDER = Path(__file__).resolve().parent / "workflows_released"
NAMES = sorted(file.stem for file in (FOLDER / "ui").glob("*.json"))
CONTROL = (["fixed", "increment", "decrement", "randomize"],)  # the page puts it behind a seed, unless told not to
Inputs = dict[str, tuple]
Nodes = dict[str, type]


def released(form: str, name: str) -> dict:
    return json.loads((FOLDER / form / f"{name}.json").read_text(encoding="utf-8"))


def of_the_pack(node_type: str) -> bool:
    """By the name that was saved, whatever the pack of today knows."""
    return node_type.startswith("A124")


def inputs_of(node: type) -> Inputs:
    declared = node.INPUT_TYPES()
    return {**declared.get("required", {}), **declared.get("optional", {})}


def type_of(spec: tuple) -> str:
    return "COMBO" if isinstance(spec[0], list) else spec[0]


def widgets_of(inputs: Inputs) -> Inputs:
    """Widgets in the order in which a saved graph lists their values, the page's own behind a seed among them."""
    found = {}
    for name, spec in inputs.items():
        if type_of(spec) in ("COMBO", *WIDGET_TYPES):
            found[name] = spec
            options = spec[1] if len(spec) > 1 else {}
            if options.get("control_after_generate", name in ("seed", "noise_seed")):
                found[f"control of {name}"] = CONTROL
    return found


def joins(given: str, wanted: str) -> bool:
    """A socket's type may be a union, such as "STRING,FILE_3D"."""
    return given in wanted.split(",")


def bad_values(node_type: str, values: dict[str, Any], widgets: Inputs) -> list[str]:
    """Values that their widgets would refuse; what lies in a user's folders is not judged."""
    judged = {name: v for name, v in values.items() if name in widgets and name not in AT_HAND.get(node_type, [])}
    return [f"{node_type}.{name}: {v!r} is refused" for name, v in judged.items() if not fits(widgets[name], v)]


def complaints_of_graph(graph: dict, nodes: Nodes) -> list[str]:
    """What would break when this saved graph (UI form) is opened and run."""
    found = []
    for node in (n for n in graph["nodes"] if of_the_pack(n["type"])):
        if node["type"] in nodes:
            found += complaints_of_node(node, nodes[node["type"]])
        else:
            found.append(f"{node['type']} is gone")
    return found or complaints_of_links(graph, nodes)


def complaints_of_node(node: dict, now: type) -> list[str]:
    kind, inputs, values = node["type"], inputs_of(now), node["widgets_values"]
    found = [
        f"{kind}.{slot['name']} ({slot['type']}) is gone"
        for slot in node["inputs"]
        if slot["name"] not in inputs or type_of(inputs[slot["name"]]) != slot["type"]
    ]
    saved, widgets = [slot["name"] for slot in node["inputs"] if "widget" in slot], widgets_of(inputs)
    if saved != list(widgets)[: len(values)]:
        found.append(f"{kind}: values saved for {saved} land on {list(widgets)[: len(values)]}")
    else:
        found += bad_values(kind, dict(zip(saved, values, strict=True)), widgets)
    wired = {slot["name"] for slot in node["inputs"] if slot.get("link") is not None}
    needed = now.INPUT_TYPES().get("required", {}).keys() - widgets.keys()
    found += [f"{kind}.{name} is required now" for name in sorted(needed - wired)]
    outputs = [slot["type"] for slot in node["outputs"]]
    if outputs != list(now.RETURN_TYPES)[: len(outputs)]:
        found.append(f"{kind}: outputs saved as {outputs} are {list(now.RETURN_TYPES)}")
    return found


def complaints_of_links(graph: dict, nodes: Nodes) -> list[str]:
    """Wires whose ends no longer fit; ends at the host's nodes are the host tests' affair."""
    found, by_id = [], {n["id"]: n for n in graph["nodes"]}
    for _, source, out_slot, target, in_slot, kind in graph["links"]:
        giver, taker = by_id[source]["type"], by_id[target]["type"]
        name = by_id[target]["inputs"][in_slot]["name"]
        if of_the_pack(giver) and nodes[giver].RETURN_TYPES[out_slot] != kind:
            found.append(f"{giver} gives no {kind} at {out_slot}")
        if of_the_pack(taker) and not joins(kind, type_of(inputs_of(nodes[taker])[name])):
            found.append(f"{taker}.{name} takes no {kind}")
    return found


def complaints_of_prompt(prompt: dict[str, dict], nodes: Nodes) -> list[str]:
    """Why a host would refuse this prompt (API form), as far as the pack's nodes are concerned."""
    found = []
    for node in (n for n in prompt.values() if of_the_pack(n["class_type"])):
        kind, given = node["class_type"], node["inputs"]
        if kind not in nodes:
            found.append(f"{kind} is gone")
            continue
        inputs = inputs_of(nodes[kind])
        required = nodes[kind].INPUT_TYPES().get("required", {})
        found += [f"{kind}.{name} is gone" for name in given if name not in inputs]
        found += [f"{kind}.{name} is required now: append it as optional" for name in required if name not in given]
        found += bad_values(kind, {k: v for k, v in given.items() if not isinstance(v, list)}, widgets_of(inputs))
        found += [
            f"{kind}.{name} cannot take what {prompt[wire[0]]['class_type']} gives"
            for name, wire in given.items()
            if isinstance(wire, list) and name in inputs and not wire_fits(prompt, wire, inputs[name], nodes)
        ]
    return found


def wire_fits(prompt: dict[str, dict], wire: list, spec: tuple, nodes: Nodes) -> bool:
    giver = prompt[wire[0]]["class_type"]
    if not of_the_pack(giver):
        return True
    gives = nodes[giver].RETURN_TYPES if giver in nodes else ()
    return wire[1] < len(gives) and joins(gives[wire[1]], type_of(spec))


def test_every_release_is_there_in_both_forms() -> None:
    assert NAMES == sorted(file.stem for file in (FOLDER / "api").glob("*.json"))
    assert NAMES[:8] == [
        "01_quickstart", "02_rewire_motion", "03_native_paper", "04_mixed_priors", "05_clip_driven", "06_refine_only",
        "07_export_and_view", "08_diffusers_folders",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_graph_still_opens_as_it_was_saved(pack: ModuleType, name: str) -> None:
    assert complaints_of_graph(released("ui", name), pack.NODE_CLASS_MAPPINGS) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_prompt_is_still_valid(pack: ModuleType, name: str) -> None:
    assert complaints_of_prompt(released("api", name), pack.NODE_CLASS_MAPPINGS) == []


@pytest.mark.parametrize("name", NAMES)
def test_both_forms_are_the_same_graph(name: str) -> None:
    graph, prompt = released("ui", name), released("api", name)
    sources = {link[0]: [str(link[1]), link[2]] for link in graph["links"]}
    saved = [n for n in graph["nodes"] if of_the_pack(n["type"])]
    assert {str(n["id"]) for n in saved} == {k for k, n in prompt.items() if of_the_pack(n["class_type"])}
    for node in saved:
        names = [slot["name"] for slot in node["inputs"] if "widget" in slot]
        said = dict(zip(names, node["widgets_values"], strict=True))
        said |= {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot.get("link") is not None}
        assert prompt[str(node["id"])]["inputs"] == said


def changed(nodes: Nodes, name: str, change: Callable[[dict], dict]) -> Nodes:
    """The pack's nodes, one of them with other required inputs."""
    inputs = nodes[name].INPUT_TYPES()
    inputs["required"] = change(dict(inputs["required"]))
    return {**nodes, name: type(name, (nodes[name],), {"INPUT_TYPES": classmethod(lambda cls: inputs)})}


def renamed(inputs: Inputs) -> Inputs:
    return {"pictures" if name == "frames" else name: spec for name, spec in inputs.items()}


def inserted(inputs: Inputs) -> Inputs:
    at = list(inputs).index("size")
    return dict([*list(inputs.items())[:at], ("speed", ("INT", {"default": 1})), *list(inputs.items())[at:]])


def narrowed(inputs: Inputs) -> Inputs:
    return {**inputs, "size": ("INT", {"min": 16, "max": 64})}


def shortened(inputs: Inputs) -> Inputs:
    return {**inputs, "background": (["black"],)}


def retyped(inputs: Inputs) -> Inputs:
    return {**inputs, "cameras": ("A124_RIG",)}


def appended(inputs: Inputs) -> Inputs:
    return {**inputs, "speed": ("INT", {"default": 1})}


def with_control(inputs: Inputs) -> Inputs:
    return {**inputs, "seed": ("INT", {**inputs["seed"][1], "control_after_generate": True})}


@pytest.mark.parametrize("change", [renamed, inserted, narrowed, shortened, retyped])
def test_a_change_that_breaks_saved_graphs_is_seen(pack: ModuleType, change: Callable[[dict], dict]) -> None:
    nodes = changed(pack.NODE_CLASS_MAPPINGS, "A124Render", change)
    assert complaints_of_graph(released("ui", "01_quickstart"), nodes)
    assert complaints_of_prompt(released("api", "01_quickstart"), nodes)


def test_a_widget_is_appended_as_optional_or_exported_prompts_lack_it(pack: ModuleType) -> None:
    nodes = changed(pack.NODE_CLASS_MAPPINGS, "A124Render", appended)
    assert complaints_of_graph(released("ui", "01_quickstart"), nodes) == []
    assert complaints_of_prompt(released("api", "01_quickstart"), nodes) == [
        "A124Render.speed is required now: append it as optional"
    ]


def test_the_pages_own_widget_behind_a_seed_shifts_what_follows(pack: ModuleType) -> None:
    nodes = changed(pack.NODE_CLASS_MAPPINGS, "A124StaticOptimizer", with_control)
    assert "land on" in "".join(complaints_of_graph(released("ui", "01_quickstart"), nodes))


def test_a_node_that_is_gone_is_seen(pack: ModuleType) -> None:
    nodes = {name: node for name, node in pack.NODE_CLASS_MAPPINGS.items() if name != "A124Render"}
    assert complaints_of_graph(released("ui", "01_quickstart"), nodes) == ["A124Render is gone"]
    assert complaints_of_prompt(released("api", "01_quickstart"), nodes) == ["A124Render is gone"]
