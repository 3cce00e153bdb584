"""A scene as USD: meshes whose points have time samples. Needs usd-core, which is not among the requirements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ...utils.files import atomic_write
from ...utils.optional import require
from .colour import linear
from .scene import Scene, Stretch
from .usd_material import add_material, bind

SUFFIXES = (".usdc", ".usd", ".usda")


def modules() -> Any:
    """pxr with its parts."""
    for part in ("Gf", "Kind", "Sdf", "Usd", "UsdGeom", "UsdShade", "Vt"):
        require(f"pxr.{part}", "usd-core", "for USD files (choose GLB to do without)")
    return require("pxr", "usd-core", "for USD files")


def write_usd(path: Path, scene: Scene) -> int:
    """One Mesh prim for each stretch under /Scene, y up, one unit a metre -> bytes. Frame k is time code k. All have
    one material.

    displayColor is linear, as USD's colours are. A loop ends with its first frame again, so that it closes."""
    pxr = modules()
    stage = pxr.Usd.Stage.CreateInMemory()
    root = pxr.UsdGeom.Xform.Define(stage, "/Scene")
    pxr.Usd.ModelAPI(root).SetKind(pxr.Kind.Tokens.component)
    stage.SetDefaultPrim(root.GetPrim())
    pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.y)
    pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    end = scene.frames if _closes(scene) else scene.frames - 1
    if scene.frames > 1:
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(end)
    stage.SetTimeCodesPerSecond(scene.fps)
    stage.SetFramesPerSecond(scene.fps)
    material = add_material(pxr, stage, "/Scene/colour")
    for stretch in scene.stretches:
        bind(pxr, _add_mesh(pxr, stage, scene, stretch), material)
    with atomic_write(path) as temporary:
        if not stage.GetRootLayer().Export(str(temporary)):
            raise OSError("usd-core could not write it")
        return temporary.stat().st_size


def _closes(scene: Scene) -> bool:
    return scene.loop and len(scene.stretches) == 1 and scene.frames > 1


def _add_mesh(pxr: Any, stage: Any, scene: Scene, stretch: Stretch) -> Any:  # UsdGeom.Mesh
    mesh = pxr.UsdGeom.Mesh.Define(stage, f"/Scene/surface_{stretch.first:04d}")
    mesh.CreateSubdivisionSchemeAttr(pxr.UsdGeom.Tokens.none)
    mesh.CreateFaceVertexCountsAttr(pxr.Vt.IntArray.FromNumpy(np.full(len(stretch.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(pxr.Vt.IntArray.FromNumpy(np.ascontiguousarray(stretch.faces.ravel())))
    colour = mesh.CreateDisplayColorPrimvar(pxr.UsdGeom.Tokens.vertex)
    colour.Set(pxr.Vt.Vec3fArray.FromNumpy(linear(stretch.colours)))
    points, normals, extent = mesh.CreatePointsAttr(), mesh.CreateNormalsAttr(), mesh.CreateExtentAttr()
    mesh.SetNormalsInterpolation(pxr.UsdGeom.Tokens.vertex)
    shapes, turned = list(stretch.points), list(stretch.normals())
    if _closes(scene):
        shapes, turned = [*shapes, shapes[0]], [*turned, turned[0]]
    for k, (shape, turn) in enumerate(zip(shapes, turned, strict=True)):
        when = pxr.Usd.TimeCode(stretch.first + k) if scene.frames > 1 else pxr.Usd.TimeCode.Default()
        points.Set(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(shape)), when)
        normals.Set(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(turn)), when)
        extent.Set(pxr.Vt.Vec3fArray.FromNumpy(np.stack((shape.min(0), shape.max(0)))), when)
    if len(scene.stretches) > 1:
        _show(pxr, mesh.CreateVisibilityAttr(), scene, stretch)
    return mesh


def _show(pxr: Any, visibility: Any, scene: Scene, stretch: Stretch) -> None:
    """Only in its own frames."""
    shown = {0: stretch.first == 0, stretch.first: True}
    if stretch.last + 1 < scene.frames:
        shown[stretch.last + 1] = False
    tokens = pxr.UsdGeom.Tokens
    for frame, seen in shown.items():
        visibility.Set(tokens.inherited if seen else tokens.invisible, pxr.Usd.TimeCode(frame))
