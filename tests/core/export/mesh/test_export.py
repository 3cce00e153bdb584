"""The formats end to end: files that others load, earlier files that survive, and refusals in a sentence."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from a124core.export.mesh import (
    MeshOptions,
    export_animated_glb,
    export_flipbook_glb,
    export_obj,
    export_ply,
    export_usd,
)
from a124core.export.mesh.build import Built
from a124core.export.mesh.names import checked
from a124core.export.mesh.scene import Scene, Stretch
from a124core.export.mesh.usd import write_usd

FEW = MeshOptions(frames=3, resolution=24, faces=500)


def test_animated_and_flip_book(tmp_path: Path, swinging: object, read_glb: Callable) -> None:
    report = export_animated_glb(swinging, tmp_path / "a.glb", FEW)
    assert (report.kind, report.frames, report.keys) == ("Animated GLB", 3, [0])
    assert report.bytes == (tmp_path / "a.glb").stat().st_size and report.path == tmp_path / "a.glb"
    assert len(read_glb(report.path).shapes()) == 3
    book = export_flipbook_glb(swinging, tmp_path / "b.glb", FEW)
    assert (book.kind, book.keys) == ("Flip-book GLB", [0, 1, 2])
    assert len(read_glb(book.path).document["meshes"]) == 3
    for said in (report.sentence(), book.sentence()):
        assert "3 frames" in said and "kB" in said and "of the scene's size" in said and "\n" not in said
    assert "the mesh misses a fast move" in report.sentence() and "take more than 3 frames." in report.sentence()
    assert "fast" not in book.sentence()


def test_one_moment_and_one_frame_are_stills(tmp_path: Path, swinging: object, read_glb: Callable) -> None:
    still = export_animated_glb(swinging, tmp_path / "a.glb", replace(FEW, moment=0.25))
    assert still.kind == "Still GLB" and "animations" not in read_glb(still.path).document
    assert export_animated_glb(swinging, tmp_path / "b.glb", replace(FEW, frames=1)).frames == 1
    tilted, upright = (trimesh.load(tmp_path / name).bounds for name in ("a.glb", "b.glb"))
    assert np.abs(tilted - upright).max() > 0.1


@pytest.mark.parametrize(("export", "kind"), [(export_ply, "ply"), (export_obj, "obj")])
def test_sequences_are_loaded_by_trimesh(tmp_path: Path, swinging: object, export: Callable, kind: str) -> None:
    report = export(swinging, tmp_path / "out", FEW)
    listed = json.loads((tmp_path / "out" / "frames.json").read_text())
    assert [f["time"] for f in listed["frames"]] == [0.0, 0.5, 1.0] and listed["fps"] == 8.0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["frame_0000." + kind, "frame_0001." + kind,
                                                                   "frame_0002." + kind, "frames.json"]  # fmt: skip
    mesh = trimesh.load(tmp_path / "out" / listed["frames"][1]["file"], process=False)
    assert mesh.is_watertight and mesh.volume > 0 and len(mesh.faces) <= report.faces
    colours = mesh.visual.vertex_colors[:, :3] / 255.0
    assert colours.std(0).min() > 0.05 and colours.mean() == pytest.approx(0.5, abs=0.15)
    assert report.bytes == sum(p.stat().st_size for p in (tmp_path / "out").iterdir())


def test_a_shorter_sequence_replaces_a_longer_one_whole(tmp_path: Path, swinging: object) -> None:
    export_ply(swinging, tmp_path / "out", FEW)
    export_ply(swinging, tmp_path / "out", replace(FEW, frames=2))
    assert len(list((tmp_path / "out").iterdir())) == 3 and [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("held", [["thesis.txt"], ["frame_0000.ply"], ["frame_0000.ply", "frames.json"]])
def test_a_folder_with_other_things_is_left_alone_before_any_work(tmp_path: Path, held: list[str]) -> None:
    """Also where their names are those that we would give."""
    for name in held:
        (tmp_path / name).write_text('{"fps": 24, "frames": []}')
    with pytest.raises(ValueError, match="holds other files"):
        export_ply(None, tmp_path, FEW)
    assert sorted(p.name for p in tmp_path.iterdir()) == held


def test_one_kind_of_sequence_does_not_replace_another(tmp_path: Path, swinging: object) -> None:
    export_obj(swinging, tmp_path / "out", replace(FEW, frames=1))
    with pytest.raises(ValueError, match="holds other files than a PLY sequence of ours"):
        export_ply(None, tmp_path / "out", FEW)
    assert (tmp_path / "out" / "frame_0000.obj").is_file()


def test_a_folder_that_cannot_take_its_place_costs_no_earlier_one(
    tmp_path: Path, swinging: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_ply(swinging, tmp_path / "out", replace(FEW, frames=1))
    move = os.replace

    def refused(here: Path, there: Path) -> None:
        if Path(there) == tmp_path / "out" and ".new-" in Path(here).name:
            raise PermissionError(errno.EACCES, "Permission denied")
        move(here, there)

    monkeypatch.setattr("a124core.utils.files.os.replace", refused)
    with pytest.raises(OSError, match="may not be written"):
        export_ply(swinging, tmp_path / "out", replace(FEW, frames=2))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["frame_0000.ply", "frames.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_costs_no_earlier_file(tmp_path: Path, swinging: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.glb").write_bytes(b"earlier")
    export_ply(swinging, tmp_path / "out", replace(FEW, frames=1))
    before = (tmp_path / "out" / "frame_0000.ply").read_bytes()
    monkeypatch.setattr("a124core.utils.files.os.fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        export_animated_glb(swinging, tmp_path / "a.glb", replace(FEW, frames=1))
    with pytest.raises(OSError, match="disk is full"):
        export_ply(swinging, tmp_path / "out", replace(FEW, frames=2))
    assert (tmp_path / "a.glb").read_bytes() == b"earlier"
    assert (tmp_path / "out" / "frame_0000.ply").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.glb", "out"]


BAD_NAMES = ["../a.glb", "x/../../a.glb", "con.glb", "LPT1.glb", "a?.glb", "a\n.glb", "a.glb ", "a.gltf", "a", ""]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_are_refused_before_any_work(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"name|ends in") as refused:
        export_animated_glb(None, name, FEW)
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


def test_good_names_pass() -> None:
    assert checked("out.d/Größe 2.glb", (".glb",)) == Path("out.d/Größe 2.glb")
    assert checked("console.GLB", (".glb",)).name == "console.GLB"


@pytest.mark.parametrize(
    "bad",
    [{"frames": 0}, {"fps": 0.0}, {"resolution": 2}, {"faces": 3}, {"texture": 5}, {"moment": 1.5}, {"moment": -0.1},
     {"fps": float("nan")}],
)  # fmt: skip
def test_options_that_cannot_work_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))} is .*: it must be"):
        MeshOptions(**bad)


def test_usd_has_every_frame_as_a_time_sample(tmp_path: Path, built: Built) -> None:
    Usd = pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    from pxr import UsdGeom

    size = write_usd(tmp_path / "a.usdc", built.scene)
    assert size == (tmp_path / "a.usdc").stat().st_size
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    (mesh,) = (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    (stretch,) = built.scene.stretches
    assert mesh.GetPointsAttr().GetTimeSamples() == [0, 1, 2, 3, 4, 5]
    assert np.array(mesh.GetPointsAttr().Get(3)) == pytest.approx(stretch.points[3], abs=1e-6)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (0, 5, 8)
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and stage.GetDefaultPrim().GetName() == "Scene"


def test_usd_shows_its_colours_through_a_material(tmp_path: Path, built: Built) -> None:
    """For readers that show no displayColor without one: it shines in what the primvar holds, and nothing else."""
    Usd = pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    from pxr import UsdGeom, UsdShade

    write_usd(tmp_path / "a.usdc", built.scene)
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    mesh = stage.GetPrimAtPath("/Scene/surface_0000")
    surface = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0].ComputeSurfaceSource()[0]
    assert surface.GetIdAttr().Get() == "UsdPreviewSurface" and not any(surface.GetInput("diffuseColor").Get())
    (source,) = surface.GetInput("emissiveColor").GetConnectedSources()[0]
    reader = UsdShade.Shader(source.source.GetPrim())
    assert reader.GetIdAttr().Get() == "UsdPrimvarReader_float3"
    assert UsdGeom.PrimvarsAPI(mesh).HasPrimvar(reader.GetInput("varname").Get())


def test_usd_shows_one_stretch_at_a_time_and_closes_loops(tmp_path: Path, built: Built) -> None:
    Usd = pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    from pxr import UsdGeom

    (whole,) = built.scene.stretches
    parts = [Stretch(a, whole.points[a:b], whole.faces, whole.colours) for a, b in ((0, 2), (2, 6))]
    write_usd(tmp_path / "a.usda", Scene(parts, 8.0, False))
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    seen = [
        [UsdGeom.Imageable(p).ComputeVisibility(k) == "inherited" for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)]
        for k in range(6)
    ]
    assert seen == [[True, False]] * 2 + [[False, True]] * 4
    write_usd(tmp_path / "b.usda", replace(built.scene, loop=True))
    stage = Usd.Stage.Open(str(tmp_path / "b.usda"))
    points = UsdGeom.Mesh(stage.GetPrimAtPath("/Scene/surface_0000")).GetPointsAttr()
    assert stage.GetEndTimeCode() == 6 and list(points.Get(6)) == list(points.Get(0))


def test_without_usd_core_the_command_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(RuntimeError, match="python -m pip install usd-core"):
        export_usd(None, tmp_path / "a.usdc", FEW)
