"""Export film or frames, and the cameras that it and Render take."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

SMALL = {"frames": 3, "width": 32, "height": 24}


@pytest.fixture(scope="module")
def field(pack_module: Callable[[str], ModuleType]) -> Any:
    """A small blob with patterns that nothing was trained into."""
    config = pack_module("a124core.field.config").FieldConfig(
        time_grids=2, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8
    )
    rng, cells = torch.Generator().manual_seed(0), pack_module("a124core.field.occupancy")
    new = pack_module("a124core.field.field4d").new_field(config, rng)
    new = replace(new, table=new.table * (3.0 / new.table.abs().max()))
    return replace(new, occupancy=cells.update_occupancy(cells.empty_occupancy(16, 1, 1.0), new, 1.0, rng))


@pytest.fixture
def export(nodes: dict[str, type]) -> Callable[..., dict]:
    """The node as the host calls it, its ui part included."""

    def run(**inputs: Any) -> dict:
        node = nodes["A124ExportFrames"]
        widgets = {k: s[1].get("default", s[0][0]) for k, s in node.INPUT_TYPES()["required"].items() if k != "field"}
        return node().export(**{**widgets, **SMALL, **inputs})

    return run


@pytest.mark.parametrize(("form", "suffix", "plays"), [
    ("MP4", ".mp4", True), ("WebM", ".webm", True), ("GIF", ".gif", False), ("WebP", ".webp", True),
])
def test_films_are_written_and_previewed(
    export: Callable, field: Any, workspace: Path, form: str, suffix: str, plays: bool
) -> None:
    output = export(field=field, format=form, name="cats/tabby")
    path = workspace / "cats" / f"tabby_00001_{suffix}"
    assert output["result"] == (str(path), None) and path.stat().st_size > 0
    preview = {"filename": path.name, "subfolder": "animate124/cats", "type": "output"}
    text = f"Saved in the output folder as animate124/cats/{path.name}"
    assert output["ui"] == {"images": [preview], "animated": (plays,), "text": [text]}
    export(field=field, format=form, name="cats/tabby")
    assert (workspace / "cats" / f"tabby_00002_{suffix}").is_file()


def test_images_and_data_sets_are_folders(export: Callable, field: Any, workspace: Path) -> None:
    output = export(field=field, format="PNG frames")
    assert output["ui"]["images"] == [
        {"filename": "0000.png", "subfolder": "animate124/film_00001_/images", "type": "output"}
    ]
    with Image.open(workspace / "film_00001_" / "images" / "0000.png") as image:
        assert image.mode == "RGBA" and image.size == (32, 24)
    output = export(field=field, format="data set", views=2)
    assert output["result"] == (str(workspace / "film_00002_"), None)
    meta = json.loads((workspace / "film_00002_" / "transforms.json").read_text())
    assert len(meta["frames"]) == 6 and (workspace / "film_00002_" / "transforms_train.json").is_file()


@pytest.mark.parametrize("name", ["../away", "/tmp/away", "CON", "a/nul.x", "a\\b", "a:b", "", " "])
def test_bad_names_are_refused_before_anything_is_rendered(export: Callable, workspace: Path, name: str) -> None:
    with pytest.raises(ValueError, match="use a plain name"):
        export(field=None, name=name)
    assert not workspace.exists() or not list(workspace.rglob("*.*"))


def test_cancel_leaves_nothing(
    export: Callable, field: Any, workspace: Path, pack_module: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cancelled(Exception):
        pass

    def pressed() -> None:
        raise Cancelled

    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", pressed)
    for form in ("MP4", "PNG frames"):
        with pytest.raises(Cancelled):
            export(field=field, format=form)
    assert not list(workspace.iterdir())


def test_two_eyes_in_render_and_film(nodes: dict[str, type], call_node: Callable, export: Callable, field: Any) -> None:
    cameras = call_node(nodes["A124Cameras"], eye_distance=0.1)[0]
    image, mask, *_ = call_node(nodes["A124Render"], field=field, cameras=cameras, frames=2, size=16)
    assert image.shape == (2, 16, 32, 3) and mask.shape == (2, 16, 32)
    assert not torch.allclose(image[:, :, :16], image[:, :, 16:], atol=0.02)
    gif = export(field=field, format="GIF", cameras=cameras)["result"][0]
    with Image.open(gif) as film:
        assert film.size == (64, 24)
    with pytest.raises(ValueError, match="two eyes"):
        export(field=field, format="PNG frames", cameras=cameras)


def test_cameras_from_a_file_go_out_and_come_in(
    nodes: dict[str, type], call_node: Callable, export: Callable, field: Any, workspace: Path
) -> None:
    first = call_node(nodes["A124Cameras"], kind="orbit", elevation=20.0)[0]
    export(field=field, format="PNG frames", cameras=first)
    again = call_node(nodes["A124Cameras"], kind="file", file="film_00001_/transforms.json")[0]
    export(field=field, format="PNG frames", cameras=again)
    for name in ("images", "depth"):
        a, b = (np.array(Image.open(workspace / f"film_0000{k}_" / name / "0001.png")).astype(int) for k in (1, 2))
        assert np.abs(a - b).max() <= 2
    stamp = nodes["A124Cameras"].IS_CHANGED(kind="file", file="film_00001_/transforms.json")
    (workspace / "film_00001_" / "transforms.json").write_text("{}")
    assert nodes["A124Cameras"].IS_CHANGED(kind="file", file="film_00001_/transforms.json") != stamp


@pytest.mark.parametrize("file", ["../secret.json", "/etc/hostname", "gone.json"])
def test_only_files_of_the_two_folders_are_read(nodes: dict[str, type], call_node: Callable, file: str) -> None:
    with pytest.raises(ValueError, match="put the file there"):
        call_node(nodes["A124Cameras"], kind="file", file=file)


def test_the_hosts_camera_is_taken_exactly(nodes: dict[str, type], call_node: Callable) -> None:
    info = {"position": {"x": 1.0, "y": 2.0, "z": 3.0}, "target": {"x": 0.2, "y": 0.1, "z": 0.0}, "fov": 35}
    cameras, times = call_node(nodes["A124Cameras"], kind="camera_info", camera_info=info)[0](3)
    assert cameras.c2w[:, 0, :3, 3].tolist() == [[1.0, 2.0, 3.0]] * 3 and cameras.fovy.tolist() == [35.0] * 3
    assert times.tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="no camera is connected"):
        call_node(nodes["A124Cameras"], kind="camera_info")
