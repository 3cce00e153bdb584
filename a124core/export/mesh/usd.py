"""A mesh sequence as USD: meshes whose points have time samples. Needs usd-core, which is no requirement."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np

from ...utils.files import atomic_write
from ...utils.optional import require
from ...utils.srgb import srgb_to_linear
from .mesh import MeshSequence, Segment


def require_usd() -> Any:
    """Import pxr with its parts."""
    for part in ("Gf", "Kind", "Sdf", "Usd", "UsdGeom", "UsdShade", "Vt"):
        require(f"pxr.{part}", "usd-core", "for USD files (choose GLB to do without)")
    return require("pxr", "usd-core", "for USD files")


def write_usd(path: Path, sequence: MeshSequence) -> int:
    """Write one Mesh prim for each segment under /Scene, y up, one unit a metre; return the size in bytes.

    Frame k is time code k. displayColor is linear, as USD's colours are. A loop ends with its first frame again."""
    pxr = require_usd()
    stage = pxr.Usd.Stage.CreateInMemory()
    root = pxr.UsdGeom.Xform.Define(stage, "/Scene")
    pxr.Usd.ModelAPI(root).SetKind(pxr.Kind.Tokens.component)
    stage.SetDefaultPrim(root.GetPrim())
    pxr.UsdGeom.SetStageUpAxis(stage, pxr.UsdGeom.Tokens.y)
    pxr.UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    if sequence.n_frames > 1:
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(sequence.n_frames if _closes(sequence) else sequence.n_frames - 1)
    stage.SetTimeCodesPerSecond(sequence.fps)
    stage.SetFramesPerSecond(sequence.fps)
    material = _add_material(pxr, stage, "/Scene/colour")
    for segment in sequence.segments:
        prim = _add_mesh(pxr, stage, sequence, segment).GetPrim()
        pxr.UsdShade.MaterialBindingAPI.Apply(prim).Bind(material)
    with atomic_write(path) as temporary:
        export_layer(stage, temporary)
        return temporary.stat().st_size


def export_layer(stage: Any, path: Path) -> None:
    """Write a stage; where usd-core fails, raise the system's reason out of its lines as an OSError of its number."""
    try:
        written, story = stage.GetRootLayer().Export(str(path)), ""
    except RuntimeError as error:  # pxr.Tf.ErrorException, with the story of every layer of usd-core
        written, story = False, str(error)
    if not written:
        number = next((n for n in errno.errorcode if os.strerror(n) in story), errno.EIO)
        raise OSError(number, os.strerror(number) if number != errno.EIO else "usd-core could not write it")


def _closes(sequence: MeshSequence) -> bool:
    return sequence.loop and len(sequence.segments) == 1 and sequence.n_frames > 1


def _add_mesh(pxr: Any, stage: Any, sequence: MeshSequence, segment: Segment) -> Any:  # UsdGeom.Mesh
    mesh = pxr.UsdGeom.Mesh.Define(stage, f"/Scene/surface_{segment.first:04d}")
    mesh.CreateSubdivisionSchemeAttr(pxr.UsdGeom.Tokens.none)
    mesh.CreateFaceVertexCountsAttr(pxr.Vt.IntArray.FromNumpy(np.full(len(segment.faces), 3, np.int32)))
    mesh.CreateFaceVertexIndicesAttr(pxr.Vt.IntArray.FromNumpy(np.ascontiguousarray(segment.faces.ravel())))
    colour = mesh.CreateDisplayColorPrimvar(pxr.UsdGeom.Tokens.vertex)
    colour.Set(pxr.Vt.Vec3fArray.FromNumpy(srgb_to_linear(segment.colours)))
    points, normals, extent = mesh.CreatePointsAttr(), mesh.CreateNormalsAttr(), mesh.CreateExtentAttr()
    mesh.SetNormalsInterpolation(pxr.UsdGeom.Tokens.vertex)
    samples = list(zip(segment.vertices, segment.normals(), strict=True))
    for k, (at_points, at_normals) in enumerate(samples + samples[: _closes(sequence)]):
        code = pxr.Usd.TimeCode(segment.first + k) if sequence.n_frames > 1 else pxr.Usd.TimeCode.Default()
        points.Set(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(at_points)), code)
        normals.Set(pxr.Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(at_normals)), code)
        extent.Set(pxr.Vt.Vec3fArray.FromNumpy(np.stack((at_points.min(0), at_points.max(0)))), code)
    if len(sequence.segments) > 1:
        _show_in_own_frames(pxr, mesh.CreateVisibilityAttr(), sequence, segment)
    return mesh


def _show_in_own_frames(pxr: Any, visibility: Any, sequence: MeshSequence, segment: Segment) -> None:
    keys = {0: segment.first == 0, segment.first: True}
    if segment.last + 1 < sequence.n_frames:
        keys[segment.last + 1] = False
    tokens = pxr.UsdGeom.Tokens
    for frame, visible in keys.items():
        visibility.Set(tokens.inherited if visible else tokens.invisible, pxr.Usd.TimeCode(frame))


def _add_material(pxr: Any, stage: Any, path: str) -> Any:  # UsdShade.Material
    """Add a UsdPreviewSurface that emits displayColor and takes no other light, as glTF's unlit materials do: some
    readers show displayColor only through a material. An index of refraction of 1 reflects nothing from the front."""
    shade, types = pxr.UsdShade, pxr.Sdf.ValueTypeNames
    material = shade.Material.Define(stage, path)
    reader, surface = (shade.Shader.Define(stage, f"{path}/{name}") for name in ("vertices", "surface"))
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", types.String).Set("displayColor")
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("diffuseColor", types.Color3f).Set(pxr.Gf.Vec3f(0.0))
    surface.CreateInput("ior", types.Float).Set(1.0)
    surface.CreateInput("roughness", types.Float).Set(1.0)
    emissive = surface.CreateInput("emissiveColor", types.Color3f)
    emissive.ConnectToSource(reader.CreateOutput("result", types.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    return material
