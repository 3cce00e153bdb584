"""Where the nodes of the shipped workflows lie: in columns of groups, as large as either look of ComfyUI makes them.

Who edits a workflow says by position alone which nodes form a column and which groups a row; the rest is computed.
"""

from __future__ import annotations

import math
import re
import textwrap
from itertools import groupby
from typing import Any

Node = dict[str, Any]
Group = dict[str, Any]

TITLE = 30  # pixels above a node
GAP = 30  # pixels between columns and between groups
ROW_GAP = 20  # pixels from a node to the title of the next
HEADER = 44  # pixels of a group above its nodes' titles
MARGIN = 20  # pixels of a group beside and below its nodes
LEAST_WIDTH = 225  # pixels of a node in ComfyUI's Vue nodes
MENUS = (80, 125)  # pixels of the page at the left and at the top that the host's menus cover
PAGE = (1920, 1080)  # pixels of the page
WITH_TEXT = 0.62  # ComfyUI 0.3.64 draws nodes without text below a scale of 0.6
NOTE = "MarkdownNote"
STRETCHY = ("PreviewImage", "LoadImage", "LoadVideo", "SaveVideo", "Preview3D", "A124Preview4D")  # may be saved larger
# Pixels below the title, of the larger of both looks in ComfyUI 0.28.1, with what the node shows after a run: our text,
# curves and picture, the host's preview of the optimizers (tests/host/test_layout.py compares).
HEIGHTS = {
    "A124BuiltInPriors": 364,
    "A124Cameras": 422,  # the kind with most widgets
    "A124ClipGuidance": 412,
    "A124CoarseOptimizer": 791,
    "A124DiffusersGuidance": 728,
    "A124DreamBooth": 624,
    "A124ExamplePicture": 128,
    "A124ExportFrames": 590,
    "A124ExportMesh": 472,
    "A124ExportViewer": 332,
    "A124FieldConfig": 248,
    "A124FieldToMesh": 300,
    "A124FineOptimizer": 791,
    "A124ImageGuidance": 476,
    "A124LoadField": 140,
    "A124ModelGuidance": 596,
    "A124ModelScopeLoader": 244,
    "A124Preview4D": 590,
    "A124Reference": 306,
    "A124RefineGuidance": 500,
    "A124Render": 264,
    "A124SaveField": 172,
    "A124StaticOptimizer": 755,
    "A124TextualInversion": 536,
    "A124VideoGuidance": 508,
    "A124ViewGuidance": 464,
    "CLIPVisionLoader": 108,
    "CheckpointLoaderSimple": 156,
    "ControlNetLoader": 108,
    "CreateVideo": 136,
    "GetVideoComponents": 120,
    "ImageOnlyCheckpointLoader": 156,
    "KSampler": 312,
    "LoadBackgroundRemovalModel": 108,
    "LoadImage": 380,
    "LoadVideo": 470,
    "Preview3D": 590,
    "PreviewImage": 290,
    "RemoveBackground": 72,
    "SaveVideo": 520,
    "TripoSplatConditioning": 96,
    "TripoSplatPreprocessImage": 136,
    "UNETLoader": 108,
    "VAEDecodeTripoSplat": 136,
    "VAELoader": 108,
}


def note_height(text: str, width: float) -> int:
    """Return the pixels below the title that a note of a width needs, in the larger type of the Vue nodes."""
    letters = int((width - 46) / 6.7)
    lines = blocks = 0
    for row in text.split("\n"):
        plain = re.sub(r"\]\([^)]*\)|[*\[]", "", row)
        item = bool(re.match(r"(\d+\.|[-*]) ", row))
        blocks += item or not plain
        lines += len(textwrap.wrap(plain, letters - 6 * item, break_long_words=False))
    return 46 + 21 * lines + 8 * blocks


def arranged(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the workflow with sizes and positions at which nothing overlaps, and a view of all of it."""
    nodes, groups = [dict(node) for node in workflow["nodes"]], [dict(group) for group in workflow["groups"]]
    members = [[node for node in nodes if _lies_in(node, group)] for group in groups]
    top = 0
    order = sorted(range(len(groups)), key=lambda k: _corner(groups[k]))
    for _, row in groupby(order, lambda k: groups[k]["bounding"][1]):
        left, bottom, placed = 0, top, []
        for k in row:
            right, low = _place(members[k], left + MARGIN, top + HEADER + TITLE)
            groups[k]["bounding"] = [left, top, right + MARGIN - left, 0]
            left, bottom = right + MARGIN + GAP, max(bottom, low + MARGIN)
            placed.append(groups[k])
        for group in placed:
            group["bounding"][3] = bottom - top
        top = bottom + GAP
    return {**workflow, "nodes": nodes, "groups": groups, "extra": {**workflow["extra"], "ds": _view(groups)}}


def _place(nodes: list[Node], left: float, top: float) -> tuple[float, float]:
    """Size and place the nodes of a group, those as wide as several columns above these; return right and bottom."""
    wide = [node for node in nodes if any(_reaches_over(node, other) for other in nodes)]
    for node in nodes:
        node["size"] = _size(node)
    right, bottom = _stack(wide, left, top)
    columns = sorted((node for node in nodes if node not in wide), key=_place_of)
    x, y = left, bottom + ROW_GAP + TITLE if wide else top
    for _, column in groupby(columns, lambda node: node["pos"][0]):
        end, low = _stack(list(column), x, y)
        x, right, bottom = end + GAP, max(right, end), max(bottom, low)
    return right, bottom


def _stack(nodes: list[Node], x: float, y: float) -> tuple[float, float]:
    """Place nodes one below the other; return the right and the lower end."""
    for node in nodes:
        node["pos"] = [x, y]
        y += node["size"][1] + ROW_GAP + TITLE
    return x + max((node["size"][0] for node in nodes), default=0), y - ROW_GAP - TITLE


def _size(node: Node) -> list[float]:
    width = max(node["size"][0], LEAST_WIDTH)
    height = note_height(node["widgets_values"][0], width) if node["type"] == NOTE else HEIGHTS[node["type"]]
    return [width, max(height, node["size"][1]) if node["type"] in STRETCHY else height]


def _reaches_over(node: Node, other: Node) -> bool:
    return node["pos"][0] < other["pos"][0] < node["pos"][0] + node["size"][0]


def _view(groups: list[Group]) -> dict[str, Any]:
    """Return the scale and the offset at which all groups are on the page, if nodes are drawn with their text there."""
    ends = [max(g["bounding"][k] + g["bounding"][k + 2] for g in groups) for k in (0, 1)]
    scale = math.floor(100 * min((PAGE[k] - MENUS[k]) / ends[k] for k in (0, 1))) / 100
    scale = max(scale, WITH_TEXT)
    return {"scale": scale, "offset": [round(pixels / scale) for pixels in MENUS]}


def _lies_in(node: Node, group: Group) -> bool:
    x, y, width, height = group["bounding"]
    return x <= node["pos"][0] < x + width and y <= node["pos"][1] < y + height


def _corner(group: Group) -> tuple[float, float]:
    return group["bounding"][1], group["bounding"][0]


def _place_of(node: Node) -> tuple[float, float]:
    return node["pos"][0], node["pos"][1]
