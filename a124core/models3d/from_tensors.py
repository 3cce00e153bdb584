"""Models that come as tensors of other programs: checked, reduced and converted as those of files are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..utils.srgb import linear_to_srgb
from .gaussians import GaussianModel
from .mesh import MeshModel
from .read_gaussians import SH_0, checked_gaussians
from .read_mesh import GREY, MAX_TEXTURE, checked_mesh
from .textures import make_texture


@dataclass(frozen=True, eq=False)
class MeshTensors:
    """A mesh as glTF has it: colours in linear light, v of texture coordinates downwards, the texture in sRGB."""

    vertices: Tensor  # (V, 3)
    faces: Tensor  # (F, 3) whole numbers
    colours: Tensor | None = None  # (V, 3 or 4)
    uv: Tensor | None = None  # (V, 2)
    texture: Tensor | None = None  # (H, W, 3 or 4) in [0, 1]


def mesh_from_tensors(mesh: MeshTensors, name: str) -> tuple[MeshModel, list[str]]:
    """Make a mesh, and notes on what was changed; colours and texture are multiplied."""
    vertices, faces = mesh.vertices.float(), mesh.faces.long()
    _check_shapes(name, (vertices, 3), (faces, 3))
    colours, coloured = torch.full((len(vertices), 3), 1.0 if mesh.texture is not None else GREY), False
    if mesh.colours is not None:
        _check_rows(name, mesh.colours, len(vertices))
        colours = linear_to_srgb(mesh.colours[:, :3].float().nan_to_num(GREY).clamp(0.0, 1.0))
        coloured = bool((colours != colours[:1, :1]).any())
    if mesh.texture is None or mesh.uv is None:
        return checked_mesh(MeshModel(vertices, faces, colours), coloured, name)
    _check_rows(name, mesh.uv, len(vertices))
    uv = mesh.uv[:, :2].float().nan_to_num()
    uv = torch.stack((uv[:, 0], 1.0 - uv[:, 1]), 1)
    pages, page = (make_texture(_reduced(mesh.texture)),), torch.zeros(len(faces), dtype=torch.long)
    return checked_mesh(MeshModel(vertices, faces, colours, uv, page, pages), True, name)


def gaussians_from_tensors(
    means: Tensor,  # (N, 3)
    scales: Tensor,  # (N, 3) standard deviations
    quaternions: Tensor,  # (N, 4) w, x, y, z
    opacities: Tensor,  # (N, 1) in [0, 1]
    harmonics: Tensor,  # (N, K, 3) of colour
    name: str,
) -> tuple[GaussianModel, list[str]]:
    """Make Gaussians, and notes on what was changed; of the harmonics the constant one is the colour."""
    _check_shapes(name, (means, 3), (scales, 3), (quaternions, 4))
    opacities = opacities.reshape(-1, 1)
    if harmonics.ndim != 3 or {len(scales), len(quaternions), len(opacities), len(harmonics)} != {len(means)}:
        raise ValueError(f"{name} has columns of different lengths: make it again.")
    notes = ["colours that depend on the direction are left out"] if harmonics.shape[1] > 1 else []
    rgba = torch.cat((0.5 + SH_0 * harmonics[:, 0], opacities), 1).float()
    model, more = checked_gaussians(means.float(), scales.float(), quaternions.float(), rgba, name)
    return model, notes + more


def _check_shapes(name: str, *columns: tuple[Tensor, int]) -> None:
    if any(tensor.ndim != 2 or tensor.shape[1] != width for tensor, width in columns):
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor, _ in columns)
        raise ValueError(f"{name} has tensors of {shapes}: wire one as this ComfyUI's own nodes make it.")


def _check_rows(name: str, tensor: Tensor, count: int) -> None:
    if tensor.ndim != 2 or len(tensor) != count or tensor.shape[1] < 2:
        raise ValueError(f"{name} has {count} vertices but colours or uvs of {tuple(tensor.shape)}: make it again.")


def _reduced(texture: Tensor) -> Tensor:  # (3, h, w)
    """Return a texture, at most MAX_TEXTURE a side."""
    image = texture[..., :3].float().nan_to_num().clamp(0.0, 1.0).movedim(-1, 0)
    factor = max(image.shape[1:]) / MAX_TEXTURE
    if factor <= 1.0:
        return image.contiguous()
    return interpolate(image[None], [max(1, round(side / factor)) for side in image.shape[1:]], mode="area")[0]
