"""The layout of workflows: columns in groups, groups in rows, room for what nodes become after a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_workflows import inside, overlap
from tools.layout import HEIGHTS, LEAST_WIDTH, NOTE, TITLE, arranged, note_height

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "workflows").glob("*.json"))


def crowded() -> dict[str, Any]:
    """Return three groups in two rows: nodes lie over each other, one note is as wide as two columns."""
    rows = [(NOTE, 20, 60, 500), ("A124Render", 20, 80, 300), ("A124SaveField", 20, 90, 300),
            ("A124Cameras", 330, 80, 320), ("CreateVideo", 720, 80, 100), ("A124FineOptimizer", 20, 480, 300)]
    values = ["A note of some words. " * 20]
    nodes = [{"id": k, "type": kind, "pos": [x, y], "size": [width, 20], "widgets_values": values}
             for k, (kind, x, y, width) in enumerate(rows)]
    groups = [{"title": "", "bounding": box} for box in ([0, 400, 700, 300], [0, 0, 700, 300], [700, 0, 300, 300])]
    return {"nodes": nodes, "groups": groups, "extra": {}}


def boxes(workflow: dict[str, Any]) -> list[list[float]]:
    """Return [x, y, width, height] of the nodes with their titles."""
    return [[n["pos"][0], n["pos"][1] - TITLE, n["size"][0], n["size"][1] + TITLE] for n in workflow["nodes"]]


def test_what_is_crowded_gets_room_in_the_same_order() -> None:
    made = arranged(crowded())
    rows, groups = boxes(made), [group["bounding"] for group in made["groups"]]
    assert not any(overlap(a, b) for k, a in enumerate(rows) for b in rows[k + 1 :])
    assert not any(overlap(a, b) for k, a in enumerate(groups) for b in groups[k + 1 :])
    assert [[inside(row, group) for group in groups].index(True) for row in rows] == [1, 1, 1, 1, 2, 0]
    note, render, save, cameras, *_ = (node["pos"] for node in made["nodes"])
    assert note[0] == render[0] == save[0] < cameras[0] and note[1] < render[1] == cameras[1] < save[1]
    assert groups[1][1] == groups[2][1] < groups[0][1] and groups[1][3] == groups[2][3]


def test_it_changes_nothing_that_is_laid_out_and_nothing_that_it_was_given() -> None:
    given = crowded()
    made = arranged(given)
    assert given == crowded() and arranged(made) == made


def test_a_longer_or_narrower_note_is_higher() -> None:
    text = "A note of some words. " * 20
    assert note_height(text, 300) < note_height(text * 2, 300) < note_height(text * 2, 200)
    assert note_height("1. one\n2. two", 300) > note_height("one", 300)


@pytest.mark.parametrize("file", FILES, ids=lambda p: p.stem)
def test_no_node_is_saved_smaller_than_it_becomes(file: Path) -> None:
    workflow = json.loads(file.read_text(encoding="utf-8"))
    for node in workflow["nodes"]:
        width, height = node["size"]
        needed = note_height(node["widgets_values"][0], width) if node["type"] == NOTE else HEIGHTS[node["type"]]
        assert width >= LEAST_WIDTH and height >= needed, f"{node['id']} {node['type']}: {width} x {height}"
