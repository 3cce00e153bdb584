"""3D files, videos and meshes: socket types that newer hosts have."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from ...a124core.export.mesh.colour import srgb_to_linear
from ...a124core.export.mesh.mesh import Mesh
from .folders import output_relative_path
from .runtime import host_module

VIDEO_SUFFIXES = (".mp4", ".webm")  # what the host's VIDEO takes


def to_file_3d(path: Path) -> Any:
    """Return the host's File3D where it has one, else the path relative to its output folder."""
    types = getattr(host_module("comfy_api.latest"), "Types", None)
    if hasattr(types, "File3D") and path.is_file():
        return types.File3D(str(path), path.suffix[1:])
    return output_relative_path(path)


def to_video(path: Path) -> Any:
    """Return the host's VIDEO of an MP4 or WebM file; None where the host has no such type, or for any other file."""
    inputs = getattr(host_module("comfy_api.latest"), "InputImpl", None)
    if path.suffix in VIDEO_SUFFIXES and hasattr(inputs, "VideoFromFile"):
        return inputs.VideoFromFile(str(path))
    return None


def to_mesh(mesh: Mesh) -> Any:
    """Return a MESH of one item, with colours where the host's has them: in linear light, as its own nodes give them
    and its Save GLB writes them into COLOR_0 (nodes_gaussian_splat.py of ComfyUI 0.28.1 says why)."""
    vertices, faces = torch.from_numpy(mesh.vertices)[None], torch.from_numpy(mesh.faces).long()[None]
    types = getattr(host_module("comfy_api.latest"), "Types", None)
    colours = torch.from_numpy(srgb_to_linear(mesh.colours))[None]
    try:
        return types.MESH(vertices, faces, vertex_colors=colours, unlit=True)
    except (AttributeError, TypeError):
        return SimpleNamespace(vertices=vertices, faces=faces)  # as every host since 0.3 reads it
