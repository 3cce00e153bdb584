"""3D files, videos and meshes: socket types that newer hosts have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from ...a124core.export.mesh.mesh import Mesh
from ...a124core.export.splat.gaussians import Splat
from ...a124core.export.splat.write import splat_columns
from ...a124core.utils.srgb import srgb_to_linear
from .folders import output_relative_path
from .runtime import host_module

VIDEO_SUFFIXES = (".mp4", ".webm")  # what the host's VIDEO takes


def to_file_3d(path: Path) -> Any:
    """Return the host's File3D where it has one, else the path relative to its output folder."""
    types = _types()
    if hasattr(types, "File3D") and path.is_file():
        return types.File3D(str(path), path.suffix[1:])
    return output_relative_path(path)


def to_video(path: Path) -> Any:
    """Return the host's VIDEO of an MP4 or WebM file; None where the host has no such type, or for any other file."""
    inputs = getattr(host_module("comfy_api.latest"), "InputImpl", None)
    if path.suffix in VIDEO_SUFFIXES and hasattr(inputs, "VideoFromFile"):
        return inputs.VideoFromFile(str(path))
    return None


def to_mesh(*meshes: Mesh) -> Any:
    """Return a MESH of these items, with colours where the host's has them: in linear light, as its own nodes give them
    and its Save GLB writes them into COLOR_0 (nodes_gaussian_splat.py of ComfyUI 0.28.1 says why). Several are padded
    with zeros to the largest; older hosts see faces without area there."""
    vertices, faces, colours = (
        pad_sequence([torch.from_numpy(getattr(mesh, name)) for mesh in meshes], batch_first=True)
        for name in ("vertices", "faces", "colours")
    )
    faces, colours, counts = faces.long(), torch.from_numpy(srgb_to_linear(colours.numpy())), {}
    if len(meshes) > 1:
        counts["vertex_counts"] = torch.tensor([len(mesh.vertices) for mesh in meshes])
        counts["face_counts"] = torch.tensor([len(mesh.faces) for mesh in meshes])
    try:
        return _types().MESH(vertices, faces, vertex_colors=colours, unlit=True, **counts)
    except (AttributeError, TypeError):
        return SimpleNamespace(vertices=vertices, faces=faces, **counts)  # as every host since 0.3 reads it


def check_splats() -> None:
    """Refuse a host whose SPLAT is not known to it."""
    types = _types()
    if types is not None and not hasattr(types, "SPLAT"):
        raise ValueError(
            "this ComfyUI has no splats: update it to 0.26 or newer, or take the scene out with Export mesh or "
            "`python -m a124core export --format splat`."
        )


def to_splat(splats: list[Splat]) -> Any:
    """Return a SPLAT of several items, padded with zeros to the largest; without a host its fields alone."""
    check_splats()
    items = [splat_columns(splat) for splat in splats]
    columns = {name: pad_sequence([item[name] for item in items], batch_first=True) for name in items[0]}
    counts = torch.tensor([len(splat.means) for splat in splats])
    return getattr(_types(), "SPLAT", SimpleNamespace)(**columns, counts=counts)


def _types() -> Any:
    """Return the host's types of 3D objects; None without a host, or in one that has none."""
    return getattr(host_module("comfy_api.latest"), "Types", None)
