"""Settings without effect: named in the report where they were changed, and only there."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.fakes import EVERYWHERE, FunctionField

MESH = {"frames": 2, "fps": 8.0, "resolution": 16, "faces": 200, "texture": 0, "quantise": False, "name": "mesh"}
FILM = {"frames": 2, "fps": 16.0, "width": 24, "height": 24, "background": "transparent", "plays": 1,
        "ping_pong": False, "views": 24, "name": "film"}


@pytest.fixture
def field() -> FunctionField:
    """A ball that moves to the right."""

    def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        away = (xyz - torch.stack((0.1 * time, 0 * time, 0 * time), 1)).norm(dim=1)
        return 200.0 * torch.sigmoid((0.3 - away) / 0.002), torch.tensor([0.8, 0.2, 0.1]).expand_as(xyz)

    return FunctionField(ball, EVERYWHERE)


@pytest.mark.parametrize(("format", "changed", "words"), [
    ("PLY sequence", {"texture": 512, "quantise": True},
     "Without effect for PLY sequence with 2 frames: texture, quantise."),
    ("OBJ sequence", {"texture": 512, "frames": 1}, "Without effect for OBJ sequence: texture."),
    ("flip-book GLB", {"quantise": True, "moment": 0.5}, "Without effect for flip-book GLB with 2 frames: moment."),
    ("flip-book GLB", {"quantise": True, "moment": 0.5, "frames": 1}, ""),
    ("PLY sequence", {"fps": 24.0}, ""),
])
def test_of_a_mesh(nodes: dict[str, type], field: Any, format: str, changed: dict, words: str) -> None:
    text = nodes["A124ExportMesh"]().export(field, format, **{**MESH, **changed})["ui"]["text"][0]
    assert words in text and ("Without effect" in text) == bool(words)


@pytest.mark.parametrize(("format", "changed", "words"), [
    ("GIF", {"views": 12}, "Without effect for GIF: views."),
    ("GIF", {"background": "black", "plays": 2}, ""),
    ("PNG frames", {"background": "black", "fps": 24.0}, "Without effect for PNG frames: background."),
    ("data set", {"views": 2, "frames": 1, "plays": 2, "ping_pong": True},
     "Without effect for data set: plays, ping_pong."),
])
def test_of_a_film(
    nodes: dict[str, type], field: Any, format: str, changed: dict, words: str
) -> None:
    text = nodes["A124ExportFrames"]().export(field, format, **{**FILM, **changed})["ui"]["text"][0]
    assert text.endswith(words) and text.startswith("Saved in the output folder as animate124/film_00001_")
    assert ("Without effect" in text) == bool(words)
