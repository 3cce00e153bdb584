"""Meshes of GLB, OBJ and PLY files, through trimesh: the scene flattened, with colours and textures, unlit."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..utils.optional import require
from ..utils.srgb import linear_to_srgb
from ..utils.text import first_line
from .glb_checks import checked_glb
from .glb_plain import plain_glb
from .mesh import UNTEXTURED, MeshModel
from .read_ply import ADVICE, MAX_ROWS, PlyHeader
from .reduce_mesh import MAX_FACES, reduced_mesh
from .textures import Texture, make_texture

GREY = 0.75  # of a mesh without colours
MAX_TEXTURE = 2048  # pixels a side; larger ones are reduced
WRITES_SRGB = "trimesh"  # its name among generators: it writes sRGB where glTF asks for linear light

Part = tuple[Tensor, Tensor, Tensor, Tensor, Any]  # vertices, faces, colours, texture coordinates, image or None


def read_glb(path: Path) -> tuple[MeshModel, list[str]]:
    """Read a binary glTF file; vertex colours and factors are linear light there (glTF 2.0, 3.7.2.1)."""
    glb = checked_glb(path)
    return _read(path, linear=WRITES_SRGB not in glb.generator, content=plain_glb(glb))


def read_obj(path: Path) -> tuple[MeshModel, list[str]]:
    """Read a Wavefront file with the materials beside it."""
    return _read(path, linear=False)


def read_ply_mesh(header: PlyHeader) -> tuple[MeshModel, list[str]]:
    """Read a PLY file with faces."""
    if not any(element.name == "face" and element.count for element in header.elements):
        raise ValueError(f"{header.path} is a point cloud without faces: give a mesh or Gaussians.")
    return _read(header.path, linear=False)


def _read(path: Path, linear: bool, content: bytes | None = None) -> tuple[MeshModel, list[str]]:
    """Read a file, or a binary glTF file whose content was changed."""
    trimesh = require("trimesh", "trimesh", "to read meshes")
    source = path if content is None else BytesIO(content)
    try:
        scene = trimesh.load_scene(source, file_type=path.suffix[1:].lower(), process=False)
        placed = [(matrix, scene.geometry[name]) for matrix, name in map(scene.graph.get, scene.graph.nodes_geometry)]
        shapes = [item for item in placed if isinstance(item[1], trimesh.Trimesh) and len(item[1].faces)]
        whole = sum(len(shape.faces) for _, shape in shapes) <= MAX_ROWS
        parts = [_part(np.asarray(matrix), shape, linear) for matrix, shape in shapes] if whole else []
        model = _joined(parts) if parts else None
    except Exception as error:  # whatever a damaged file does to a reader
        raise ValueError(f"{path} cannot be read as a mesh ({first_line(error)}): {ADVICE}.") from None
    if not whole:
        raise ValueError(f"{path} has more than {MAX_ROWS} faces: reduce it first.")
    if model is None:
        raise ValueError(f"{path} holds no faces: export the mesh again.")
    coloured = any(part[4] is not None or part[2].std() > 0 for part in parts)
    return checked_mesh(model, coloured, str(path))


def checked_mesh(model: MeshModel, coloured: bool, name: str) -> tuple[MeshModel, list[str]]:
    """Return a mesh from outside and notes: NaN and missing vertices are refused, too many faces are reduced."""
    if not len(model.faces):
        raise ValueError(f"{name} holds no faces: export the mesh again.")
    faults = not model.vertices.isfinite().all() or bool((model.faces < 0).any())
    if faults or int(model.faces.max()) >= len(model.vertices):
        raise ValueError(f"{name} has vertices that are NaN or infinite, or faces of vertices that it lacks.")
    notes = [] if coloured else ["it has one colour only"]
    if len(model.faces) > MAX_FACES:
        notes.append(f"reduced from {len(model.faces)} faces")
    return reduced_mesh(model), notes


def _part(matrix: np.ndarray, shape: Any, linear: bool) -> Part:
    """Return one mesh of a scene, placed in the world."""
    vertices = shape.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    colours, uv, image = _appearance(shape.visual, len(vertices), linear)
    arrays = (vertices, colours, uv)
    vertices, colours, uv = (torch.from_numpy(np.ascontiguousarray(a, np.float32)) for a in arrays)
    return vertices, torch.from_numpy(np.ascontiguousarray(shape.faces, np.int64)), colours, uv, image


def _appearance(visual: Any, count: int, linear: bool) -> tuple[np.ndarray, np.ndarray, Any]:
    """Return vertex colours (V, 3) sRGB, texture coordinates (V, 2), and the texture or None."""
    uv, image = np.zeros((count, 2)), None
    colours = np.full((count, 3), GREY)
    if visual.kind in ("vertex", "face"):
        colours = _to_srgb(np.asarray(visual.vertex_colors), linear)
    elif visual.kind == "texture":
        material = visual.material
        image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
        image = None if visual.uv is None else image
        factor = getattr(material, "baseColorFactor", None)
        factor = getattr(material, "diffuse", None) if factor is None and image is None else factor
        neutral = 1.0 if image is not None else GREY
        colours = np.full((count, 3), neutral) if factor is None else _to_srgb(np.asarray(factor)[None], linear)
        own = visual.vertex_attributes.get("color")
        colours = colours if own is None else colours * _to_srgb(np.asarray(own), linear)
        uv = uv if visual.uv is None else np.asarray(visual.uv)[:, :2]
    return np.broadcast_to(colours, (count, 3)), np.nan_to_num(uv), image


def _to_srgb(colours: np.ndarray, linear: bool) -> np.ndarray:
    """Return colours (V, 3 or 4), whole numbers or shares, as sRGB (V, 3) in [0, 1]."""
    whole = colours.dtype.kind in "iu"
    shares = (colours[:, :3] / (np.iinfo(colours.dtype).max if whole else 1.0)).clip(0.0, 1.0)
    return linear_to_srgb(shares) if linear else shares


def _joined(parts: list[Part]) -> MeshModel:
    """Join meshes to one; equal textures are read once."""
    textures: dict[int, int] = {}
    pages: list[Texture] = []
    page_of_face, faces, first = [], [], 0
    for vertices, own, _, _, image in parts:
        if image is not None and id(image) not in textures:
            textures[id(image)] = len(pages)
            pages.append(make_texture(_pixels(image)))
        page_of_face.append(torch.full((len(own),), UNTEXTURED if image is None else textures[id(image)]))
        faces.append(own + first)
        first += len(vertices)
    vertices, colours, uv = (torch.cat([part[k] for part in parts]) for k in (0, 2, 3))
    return MeshModel(vertices, torch.cat(faces), colours, uv, torch.cat(page_of_face), tuple(pages))


def _pixels(image: Any) -> Tensor:  # (3, H, W)
    """Return a PIL image's colours, at most MAX_TEXTURE a side."""
    image = image.convert("RGB")
    image.thumbnail((MAX_TEXTURE, MAX_TEXTURE))
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1).contiguous()
