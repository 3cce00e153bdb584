"""What makes USD readers show the colours of the vertices: some take displayColor only through a material."""

from __future__ import annotations

from typing import Any

COLOURS = "displayColor"


def add_material(pxr: Any, stage: Any, path: str) -> Any:  # UsdShade.Material
    """A UsdPreviewSurface that shines in the colours of the vertices and takes no other light: as with glTF's unlit
    materials, the light is in the colours. An index of refraction of 1 reflects nothing from the front."""
    shade, types = pxr.UsdShade, pxr.Sdf.ValueTypeNames
    material = shade.Material.Define(stage, path)
    reader, surface = (shade.Shader.Define(stage, f"{path}/{name}") for name in ("vertices", "surface"))
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", types.String).Set(COLOURS)
    surface.CreateIdAttr("UsdPreviewSurface")
    surface.CreateInput("diffuseColor", types.Color3f).Set(pxr.Gf.Vec3f(0.0))
    surface.CreateInput("ior", types.Float).Set(1.0)
    surface.CreateInput("roughness", types.Float).Set(1.0)
    shine = surface.CreateInput("emissiveColor", types.Color3f)
    shine.ConnectToSource(reader.CreateOutput("result", types.Float3))
    material.CreateSurfaceOutput().ConnectToSource(surface.CreateOutput("surface", types.Token))
    return material


def bind(pxr: Any, mesh: Any, material: Any) -> None:
    """mesh: UsdGeom.Mesh."""
    pxr.UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)
