"""Export mesh: every format where the host keeps its output, ready for the host's own 3D nodes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.fakes import EVERYWHERE, FunctionField

FEW = {"frames": 3, "resolution": 24, "faces": 400}


@pytest.fixture
def field() -> FunctionField:
    """A red ball that moves to the right: a field needs no training to have a surface."""

    def ball(xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        away = (xyz - torch.stack((0.5 * time - 0.2, 0 * time, 0 * time), 1)).norm(dim=1)
        return 200.0 * torch.sigmoid((0.3 - away) / 0.002), torch.tensor([0.8, 0.2, 0.1]).expand_as(xyz)

    return FunctionField(ball, EVERYWHERE)


def test_an_animated_glb_for_preview_3d(nodes: dict, call_node: Callable, field: Any, workspace: Path) -> None:
    path, file, mesh = call_node(nodes["A124ExportMesh"], field=field, **FEW)
    assert path == file == "animate124/mesh_00001_.glb", "without a host the file is its path"
    raw = (workspace / "mesh_00001_.glb").read_bytes()
    assert raw[:4] == b"glTF" and struct.unpack_from("<I", raw, 8)[0] == len(raw) and b'"weights"' in raw
    assert mesh.vertices.shape[0] == mesh.faces.shape[0] == 1 and mesh.vertices.shape[2] == 3
    assert mesh.faces.max() < mesh.vertices.shape[1] and mesh.vertices[..., 0].mean() == pytest.approx(-0.2, abs=0.02)


def test_what_the_node_shows(nodes: dict, field: Any, workspace: Path) -> None:
    inputs = {"format": "flip-book GLB", "fps": 8.0, "texture": 0, "quantise": True, "name": "cats/tabby", **FEW}
    ui = nodes["A124ExportMesh"]().export(field, **inputs)["ui"]
    assert ui["3d"] == [{"filename": "tabby_00001_.glb", "subfolder": "animate124/cats", "type": "output"}]
    first, second = ui["text"][0].split("\n")
    assert first == "Saved in the output folder as animate124/cats/tabby_00001_.glb"
    assert second.startswith("Flip-book GLB: 3 frames, ")


@pytest.mark.parametrize(("format", "suffix"), [("PLY sequence", ".ply"), ("OBJ sequence", ".obj")])
def test_a_sequence_is_a_folder(
    nodes: dict, call_node: Callable, field: Any, workspace: Path, format: str, suffix: str
) -> None:
    path = call_node(nodes["A124ExportMesh"], field=field, format=format, **{**FEW, "frames": 1, "moment": 1.0})[0]
    assert path == "animate124/mesh_00001_"
    assert [p.name for p in sorted((workspace / "mesh_00001_").iterdir())] == [f"frame_0000{suffix}", "frames.json"]


def test_a_still_shows_its_moment(nodes: dict, call_node: Callable, field: Any) -> None:
    mesh = call_node(nodes["A124ExportMesh"], field=field, **{**FEW, "frames": 1, "moment": 1.0})[2]
    assert mesh.vertices[..., 0].mean() == pytest.approx(0.3, abs=0.02)


@pytest.mark.parametrize("name", ["../away", "", "a?b", "a|b"])
def test_no_bad_name_is_taken(nodes: dict, call_node: Callable, field: Any, workspace: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"use a plain name|use letters"):
        call_node(nodes["A124ExportMesh"], field=field, name=name, **FEW)
    assert not list(workspace.rglob("*.glb"))


def test_a_cancel_leaves_nothing(
    nodes: dict, call_node: Callable, field: Any, workspace: Path, pack_module: Callable, monkeypatch: Any
) -> None:
    def cancelled() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pack_module("nodes.host.ui"), "stop_if_cancelled", cancelled)
    with pytest.raises(KeyboardInterrupt):
        call_node(nodes["A124ExportMesh"], field=field, **FEW)
    assert not list(workspace.rglob("*.*"))


def test_the_hosts_own_types_are_used_where_it_has_them(
    workspace: Path, pack_module: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The constructors as in ComfyUI 0.28: File3D(source, format), MESH(vertices, faces, ..., vertex_colors, unlit)."""

    def mesh_of(vertices: Any, faces: Any, uvs: Any = None, vertex_colors: Any = None, unlit: bool = False) -> tuple:
        return "MESH", vertex_colors.shape, vertex_colors.unique().tolist(), unlit

    types = SimpleNamespace(
        File3D=lambda source, file_format="": ("File3D", source, file_format), MESH=mesh_of
    )
    outputs = pack_module("nodes.host.types")
    monkeypatch.setattr(outputs, "host_module", lambda name: SimpleNamespace(Types=types) if "api" in name else None)
    path = workspace / "a.glb"
    workspace.mkdir(parents=True)
    path.write_bytes(b"glTF")
    assert outputs.to_file_3d(path.resolve()) == ("File3D", str(path.resolve()), "glb")
    grey = np.full((4, 3), 0.5, "f4")
    mesh = SimpleNamespace(vertices=np.zeros((4, 3), "f4"), faces=np.zeros((2, 3), "i4"), colours=grey)
    linear = pytest.approx([((0.5 + 0.055) / 1.055) ** 2.4])  # the host writes it into COLOR_0 as it is
    assert outputs.to_mesh(mesh) == ("MESH", (1, 4, 3), linear, True)


def test_the_node_shows_the_size_before_the_file_is_there(
    nodes: dict, call_node: Callable, field: Any, workspace: Path, pack_module: Callable, monkeypatch: Any
) -> None:
    texts: list[tuple[str | None, str, bool]] = []
    say = lambda node, text, **_: texts.append((node, text, any(workspace.rglob("*.glb"))))  # noqa: E731
    monkeypatch.setattr(pack_module("nodes.host.ui"), "show_text", say)
    call_node(nodes["A124ExportMesh"], field=field, format="flip-book GLB", unique_id="7", **FEW)
    early = [text for node, text, written in texts if node == "7" and not written]
    assert early[1].startswith("1 of 11: surface, about ") and early[1].endswith(" kB as a GLB")
    estimate, size = float(early[1].split()[5]), next(workspace.rglob("*.glb")).stat().st_size / 2**10
    assert estimate == pytest.approx(size, rel=0.3) and len(early) == len(set(early)), "near the size, each line once"
