"""The formats end to end: files that others load, earlier files that survive, and refusals in a sentence."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trimesh

from a124core.export.mesh import MeshOptions, export_mesh
from a124core.export.mesh.build import MeshBuild, MeshReport
from a124core.export.mesh.export import check_path
from a124core.export.mesh.mesh import MeshSequence, Segment
from a124core.export.mesh.usd import export_layer, write_usd
from a124core.utils.files import atomic_write

FEW = MeshOptions(frames=3, resolution=24, faces=500)


def test_animated_and_flip_book(tmp_path: Path, swinging: object, read_glb: Callable) -> None:
    report = export_mesh(swinging, tmp_path / "a.glb", "animated GLB", FEW)
    assert (report.kind, report.build.sequence.n_frames, starts(report)) == ("Animated GLB", 3, [0])
    assert report.bytes == (tmp_path / "a.glb").stat().st_size and report.path == tmp_path / "a.glb"
    assert len(read_glb(report.path).shapes()) == 3
    book = export_mesh(swinging, tmp_path / "b.glb", "flip-book GLB", FEW)
    assert (book.kind, starts(book)) == ("Flip-book GLB", [0, 1, 2])
    assert len(read_glb(book.path).document["meshes"]) == 3
    for summary in (report.summary(), book.summary()):
        assert "3 frames, 500 faces" in summary and "kB" in summary and "of the scene's size" in summary
        assert "\n" not in summary
    assert "the mesh misses a fast move" in report.summary() and "take more than 3 frames." in report.summary()
    assert "fast" not in book.summary()


def starts(report: MeshReport) -> list[int]:
    return [segment.first for segment in report.build.sequence.segments]


def test_one_time_and_one_frame_are_stills(tmp_path: Path, swinging: object, read_glb: Callable) -> None:
    still = export_mesh(swinging, tmp_path / "a.glb", "animated GLB", replace(FEW, time=0.25))
    assert still.kind == "Still GLB" and "animations" not in read_glb(still.path).document
    other = export_mesh(swinging, tmp_path / "b.glb", "animated GLB", replace(FEW, frames=1))
    assert other.summary().startswith("Still GLB: 1 frame, ")
    tilted, upright = (trimesh.load(tmp_path / name).bounds for name in ("a.glb", "b.glb"))
    assert np.abs(tilted - upright).max() > 0.1


@pytest.mark.parametrize("kind", ["ply", "obj"])
def test_sequences_are_loaded_by_trimesh(tmp_path: Path, swinging: object, kind: str) -> None:
    report = export_mesh(swinging, tmp_path / "out", f"{kind.upper()} sequence", FEW)
    index = json.loads((tmp_path / "out" / "frames.json").read_text())
    assert [f["time"] for f in index["frames"]] == [0.0, 0.5, 1.0] and index["fps"] == 8.0
    names = [f"frame_000{k}.{kind}" for k in range(3)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [*names, "frames.json"]
    read, mesh = trimesh.load(tmp_path / "out" / names[1], process=False), report.build.sequence.mesh(1)
    assert read.is_watertight and read.volume > 0 and np.array_equal(read.faces, mesh.faces)
    assert read.vertices == pytest.approx(mesh.vertices, abs=1e-6)
    assert read.vertex_normals == pytest.approx(mesh.normals, abs=1e-6)
    assert np.abs(read.visual.vertex_colors[:, :3] / 255.0 - mesh.colours).max() < 0.51 / 255
    assert report.bytes == sum(p.stat().st_size for p in (tmp_path / "out").iterdir())


def test_a_shorter_sequence_replaces_a_longer_one_whole(tmp_path: Path, swinging: object) -> None:
    export_mesh(swinging, tmp_path / "out", "PLY sequence", FEW)
    export_mesh(swinging, tmp_path / "out", "PLY sequence", replace(FEW, frames=2))
    assert len(list((tmp_path / "out").iterdir())) == 3 and [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("names", [["thesis.txt"], ["frame_0000.ply"], ["frame_0000.ply", "frames.json"]])
def test_a_folder_with_other_files_is_left_alone_before_any_work(tmp_path: Path, names: list[str]) -> None:
    """Also where their names are those that we would give."""
    for name in names:
        (tmp_path / name).write_text('{"fps": 24, "frames": []}')
    with pytest.raises(ValueError, match="no export of this kind|not written by this program"):
        export_mesh(None, tmp_path, "PLY sequence", FEW)
    assert sorted(p.name for p in tmp_path.iterdir()) == names


def test_one_kind_of_sequence_does_not_replace_another(tmp_path: Path, swinging: object) -> None:
    export_mesh(swinging, tmp_path / "out", "OBJ sequence", replace(FEW, frames=1))
    with pytest.raises(ValueError, match="no export of this kind"):
        export_mesh(None, tmp_path / "out", "PLY sequence", FEW)
    assert (tmp_path / "out" / "frame_0000.obj").is_file()


def test_a_folder_that_cannot_take_its_place_costs_no_earlier_one(
    tmp_path: Path, swinging: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    export_mesh(swinging, tmp_path / "out", "PLY sequence", replace(FEW, frames=1))
    move = os.replace

    def replace_refused(source: Path, target: Path) -> None:
        if Path(target) == tmp_path / "out" and ".new-" in Path(source).name:
            raise PermissionError(errno.EACCES, "Permission denied")
        move(source, target)

    monkeypatch.setattr("a124core.utils.files.os.replace", replace_refused)
    with pytest.raises(OSError, match="may not be written"):
        export_mesh(swinging, tmp_path / "out", "PLY sequence", replace(FEW, frames=2))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["frame_0000.ply", "frames.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_full_disk_costs_no_earlier_file(tmp_path: Path, swinging: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "a.glb").write_bytes(b"earlier")
    export_mesh(swinging, tmp_path / "out", "PLY sequence", replace(FEW, frames=1))
    before = (tmp_path / "out" / "frame_0000.ply").read_bytes()
    monkeypatch.setattr("a124core.utils.files.os.fsync", full)
    with pytest.raises(OSError, match="disk is full"):
        export_mesh(swinging, tmp_path / "a.glb", "animated GLB", replace(FEW, frames=1))
    with pytest.raises(OSError, match="disk is full"):
        export_mesh(swinging, tmp_path / "out", "PLY sequence", replace(FEW, frames=2))
    assert (tmp_path / "a.glb").read_bytes() == b"earlier"
    assert (tmp_path / "out" / "frame_0000.ply").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.glb", "out"]


BAD_NAMES = ["../a.glb", "x/../../a.glb", "con.glb", "LPT1.glb", "a?.glb", "a\n.glb", "a.glb ", "a.gltf", "a", ""]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_are_refused_before_any_work(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"name|ends in") as refused:
        export_mesh(None, name, "animated GLB", FEW)
    assert "\n" not in str(refused.value) and not list(tmp_path.iterdir())


def test_good_names_pass() -> None:
    check_path(Path("out.d/Größe 2.glb"), (".glb",))
    check_path(Path("console.GLB"), (".glb",))


@pytest.mark.parametrize(
    "bad",
    [{"frames": 0}, {"fps": 0.0}, {"resolution": 2}, {"faces": 3}, {"texture": 5}, {"time": 1.5}, {"time": -0.1},
     {"fps": float("nan")}],
)
def test_options_that_cannot_work_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(bad))} is .*: it must be"):
        MeshOptions(**bad)


def test_usd_has_every_frame_as_a_time_sample(tmp_path: Path, built: MeshBuild) -> None:
    Usd = pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    from pxr import UsdGeom

    size = write_usd(tmp_path / "a.usdc", built.sequence)
    assert size == (tmp_path / "a.usdc").stat().st_size
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    (mesh,) = (UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh))
    (segment,) = built.sequence.segments
    assert mesh.GetPointsAttr().GetTimeSamples() == [0, 1, 2, 3, 4, 5]
    assert np.array(mesh.GetPointsAttr().Get(3)) == pytest.approx(segment.vertices[3], abs=1e-6)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode(), stage.GetTimeCodesPerSecond()) == (0, 5, 8)
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and stage.GetDefaultPrim().GetName() == "Scene"


@pytest.mark.parametrize("suffix", ["usdc", "usda"])
def test_usd_that_cannot_be_written_is_one_sentence(tmp_path: Path, built: MeshBuild, suffix: str) -> None:
    """The system refuses more than 1 kB of a file, as a full disk does."""
    pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    resource = pytest.importorskip("resource", reason="Windows has no limits of this kind")
    path, (soft, hard) = tmp_path / f"a.{suffix}", resource.getrlimit(resource.RLIMIT_FSIZE)
    path.write_text("earlier")
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="was not written, no file may be that large there") as refused:
            write_usd(path, built.sequence)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(str(refused.value).splitlines()) == 1 and path.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("written", [False, RuntimeError("\n\tError: 'No space left on device'\n\tError: 'close'")])
def test_a_full_disk_is_found_in_the_story_of_usd(tmp_path: Path, written: bool | Exception) -> None:
    class Layer:
        def Export(self, path: str) -> bool:  # noqa: N802 (as USD names it)
            if isinstance(written, Exception):
                raise written
            return written

    stage = SimpleNamespace(GetRootLayer=Layer)
    with pytest.raises(OSError, match="the disk is full" if written else "usd-core could not write it") as refused:
        with atomic_write(tmp_path / "a.usdc") as temporary:
            export_layer(stage, temporary)
    assert len(str(refused.value).splitlines()) == 1


def test_usd_shows_its_colours_through_a_material(tmp_path: Path, built: MeshBuild) -> None:
    """For readers that show no displayColor without one: it shines in what the primvar holds, and nothing else."""
    Usd = pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    from pxr import UsdGeom, UsdShade

    write_usd(tmp_path / "a.usdc", built.sequence)
    stage = Usd.Stage.Open(str(tmp_path / "a.usdc"))
    mesh = stage.GetPrimAtPath("/Scene/surface_0000")
    surface = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()[0].ComputeSurfaceSource()[0]
    assert surface.GetIdAttr().Get() == "UsdPreviewSurface" and not any(surface.GetInput("diffuseColor").Get())
    (source,) = surface.GetInput("emissiveColor").GetConnectedSources()[0]
    reader = UsdShade.Shader(source.source.GetPrim())
    assert reader.GetIdAttr().Get() == "UsdPrimvarReader_float3"
    assert UsdGeom.PrimvarsAPI(mesh).HasPrimvar(reader.GetInput("varname").Get())


def test_usd_shows_one_segment_at_a_time_and_closes_loops(tmp_path: Path, built: MeshBuild) -> None:
    Usd = pytest.importorskip("pxr.Usd", reason="no wheel of usd-core for this Python")
    from pxr import UsdGeom

    (whole,) = built.sequence.segments
    parts = [Segment(a, whole.vertices[a:b], whole.faces, whole.colours) for a, b in ((0, 2), (2, 6))]
    write_usd(tmp_path / "a.usda", MeshSequence(parts, 8.0, False))
    stage = Usd.Stage.Open(str(tmp_path / "a.usda"))
    visible = [
        [UsdGeom.Imageable(p).ComputeVisibility(k) == "inherited" for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)]
        for k in range(6)
    ]
    assert visible == [[True, False]] * 2 + [[False, True]] * 4
    write_usd(tmp_path / "b.usda", replace(built.sequence, loop=True))
    stage = Usd.Stage.Open(str(tmp_path / "b.usda"))
    points = UsdGeom.Mesh(stage.GetPrimAtPath("/Scene/surface_0000")).GetPointsAttr()
    assert stage.GetEndTimeCode() == 6 and list(points.Get(6)) == list(points.Get(0))


def test_without_usd_core_its_installation_is_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)
    with pytest.raises(RuntimeError, match="python -m pip install usd-core"):
        export_mesh(None, tmp_path / "a.usdc", "USD", FEW)
