"""Preview 4D and Export viewer, without a host."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.fuzz.read_volume import read_volume

SMALL = {"resolution": 16, "frames": 3}


@pytest.fixture
def field(pack_module: Callable[[str], ModuleType], rng: torch.Generator) -> Any:
    config = pack_module("a124core.field.config").FieldConfig(
        time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8
    )
    new = pack_module("a124core.field.field4d").new_field(config, rng)
    new.table.uniform_(-2.0, 2.0, generator=rng)
    occupancy = pack_module("a124core.field.occupancy")
    return replace(new, occupancy=occupancy.update_occupancy(occupancy.empty_occupancy(8, 2, 1.0), new, 1.0, rng))


def test_preview_names_a_file_that_the_host_can_serve(
    nodes: dict[str, type], field: Any, workspace: Path
) -> None:
    widgets = {**SMALL, "megabytes": 1.0, "seconds": 4.0, "background": "black"}
    (file,) = nodes["A124Preview4D"]().preview(field, **widgets)["ui"]["a124_volume"]
    assert file["subfolder"] == "animate124/viewer" and file["type"] == "output"
    path = workspace / "viewer" / file["filename"]
    _, header = read_volume(path.read_bytes())
    assert header["seconds"] == 4.0 and header["background"] == [0.0, 0.0, 0.0] and len(header["frames"]) == 3
    again = nodes["A124Preview4D"]().preview(field, **widgets)["ui"]["a124_volume"]
    assert again == [file] and len(list(path.parent.iterdir())) == 1, "the same scene is kept once"


def test_old_previews_go_when_there_are_too_many(
    tmp_path: Path, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = pack_module("nodes.result.viewer")
    monkeypatch.setattr(module, "MAX_PREVIEW_BYTES", 250)
    paths = []
    for k in range(3):
        paths.append(module.store_preview(tmp_path, bytes([k]) * 100))
        os.utime(paths[-1], (1000 + k, 1000 + k))
    assert [p.exists() for p in paths] == [False, True, True]
    module.store_preview(tmp_path, bytes([1]) * 100)  # baked again: now the newest
    module.store_preview(tmp_path, bytes([9]) * 100)
    assert [p.exists() for p in paths] == [False, True, False]


def test_export_viewer_writes_a_page_and_never_over_another(
    nodes: dict[str, type], field: Any, workspace: Path, call_node: Callable[..., tuple]
) -> None:
    (first,) = call_node(nodes["A124ExportViewer"], field=field, **SMALL)
    (second,) = call_node(nodes["A124ExportViewer"], field=field, **SMALL)
    assert Path(first).is_file() and Path(second).is_file() and first != second
    assert Path(first).parent == workspace.resolve() and first.endswith(".html")
    with pytest.raises(ValueError, match="does not stay in"):
        call_node(nodes["A124ExportViewer"], field=field, name="../../evil", **SMALL)
