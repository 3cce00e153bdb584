"""A coloured, textured triangle mesh as a model that can be rendered: unlit, as it is coloured."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ..cameras.rig import pixel_rays
from ..kernels import nearest_faces
from ..protocols import Cameras, Pinholes
from .lens import axes_and_lens
from .textures import Texture

SUPERSAMPLE = 2  # samples along each side of a pixel
UNTEXTURED = -1  # texture of a face that has none


@dataclass(frozen=True, eq=False)
class MeshModel:
    """Triangles whose colour at a point is that of the corners times that of the texture."""

    vertices: Tensor  # (V, 3) world
    faces: Tensor  # (F, 3) int64
    colours: Tensor  # (V, 3) sRGB in [0, 1]
    uv: Tensor | None = None  # (V, 2), v upwards as in trimesh and OBJ; outside [0, 1] the texture repeats
    texture: Tensor | None = None  # (F,) index of each face's texture, UNTEXTURED where it has none
    textures: tuple[Texture, ...] = field(default=(), repr=False)

    def transformed(self, linear: Tensor, shift: Tensor) -> MeshModel:
        """Return the mesh with every point p moved to linear (3, 3) p + shift (3,)."""
        return replace(self, vertices=self.vertices @ linear.T.to(self.vertices) + shift.to(self.vertices))

    @property
    def box(self) -> Tensor:  # (2, 3)
        """Return the lowest and the highest corner of its bounding box."""
        return torch.stack((self.vertices.amin(0), self.vertices.amax(0)))

    @cached_property
    def texel_areas(self) -> Tensor:  # (F,)
        """Return how many texels each face covers, 0 without a texture."""
        areas = self.vertices.new_zeros(len(self.faces))
        if self.uv is None or self.texture is None:
            return areas
        a, b, c = (self.uv[self.faces[:, k]] for k in range(3))
        u, v = b - a, c - a
        part = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs() / 2
        texels = torch.tensor([*(t.width * t.height for t in self.textures), 0], dtype=part.dtype)
        return part * texels[self.texture]

    @torch.no_grad()
    def layers(self, cameras: Cameras | Pinholes, size: tuple[int, int]) -> Tensor:  # (B, 5, H, W)
        """Render premultiplied colour, alpha and premultiplied depth along the axis."""
        return torch.cat([self._layers(cameras[b : b + 1], size) for b in range(len(cameras))])

    def _layers(self, camera: Cameras | Pinholes, size: tuple[int, int]) -> Tensor:  # (1, 5, H, W)
        fine = size[0] * SUPERSAMPLE, size[1] * SUPERSAMPLE
        c2w, lens = axes_and_lens(camera, fine[0])
        face = nearest_faces(self.vertices, self.faces, c2w, lens, fine).flatten()
        covered = torch.nonzero(face >= 0)[:, 0]
        directions = pixel_rays(camera, fine)[1][0, covered].double()
        corners = self.vertices[self.faces[face[covered]]].double() - c2w[0, :3, 3].double()
        weights, depth = ray_hits(corners, directions)
        shade = self.colours_at(face[covered], weights.float(), _pixel_areas(corners, directions, depth, lens[0, 0]))
        out = shade.new_zeros(5, len(face))
        out[:, covered] = torch.cat((shade, torch.ones_like(shade[:, :1]), depth[:, None].float()), 1).T
        return avg_pool2d(out.view(1, 5, *fine), SUPERSAMPLE)

    def colours_at(self, face: Tensor, weights: Tensor, pixel_areas: Tensor) -> Tensor:  # (P, 3)
        """Return the colours at points of faces, whose pixels cover the given share (P,) of their face."""
        corners = self.faces[face]
        colours = (self.colours[corners] * weights[..., None]).sum(1)
        if self.uv is None or self.texture is None:
            return colours
        uv = (self.uv[corners] * weights[..., None]).sum(1)
        texels = self.texel_areas[face] * pixel_areas
        for k, texture in enumerate(self.textures):
            own = torch.nonzero(self.texture[face] == k)[:, 0]
            colours[own] = colours[own] * texture.at(uv[own], texels[own])
        return colours


def ray_hits(corners: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    """Return barycentric coordinates (P, 3), perspective-correct, and depths (P,) where rays from the origin (P, 3)
    meet the planes of triangles (P, 3, 3); points a rounding outside are moved to the edge."""
    a, b, c = corners.unbind(1)
    normals = torch.stack([torch.linalg.cross(*pair) for pair in ((b, c), (c, a), (a, b))], 1)
    weights = (normals * directions[:, None]).sum(2)
    weights = weights * weights.sum(1, keepdim=True).sign()
    weights = weights.clamp_min(0.0) + 1e-30
    weights = weights / weights.sum(1, keepdim=True)
    points = (corners * weights[..., None]).sum(1)
    return weights, (points * directions).sum(1) / directions.square().sum(1)


def _pixel_areas(corners: Tensor, directions: Tensor, depth: Tensor, focal: Tensor) -> Tensor:  # (P,)
    """Return the share of its face that the patch behind a pixel has, across the ray: a slanted face is not blurred."""
    a, b, c = corners.unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=1) / 2
    return ((depth / focal.double()).square() / area.clamp_min(1e-30)).float()
