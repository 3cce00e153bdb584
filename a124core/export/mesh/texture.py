"""Colours as a picture: the surface cut open and laid flat (xatlas), and the field asked at every pixel of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ...utils.optional import require
from .mesh import vertex_normals
from .scene import Stretch

BAKED = 3  # frames whose colours a pixel is the median of
PIXELS = 2**20  # looked at in one go, each some 150 bytes
GAP = 4  # pixels between the pieces of the picture, so that filtering does not mix them

ColoursAt = Callable[[int, np.ndarray, np.ndarray], np.ndarray]  # frame, points (N, 3), normals (N, 3) -> (N, 3) sRGB


@dataclass(frozen=True)
class Skin:
    """A surface cut along seams: vertices there occur more than once."""

    vertex: np.ndarray  # (U,) which vertex of the stretch each one was
    faces: np.ndarray  # (F, 3) into these U
    uv: np.ndarray  # (U, 2) in [0, 1], v downwards as in glTF
    png: bytes  # sRGB


def bake(stretch: Stretch, size: int, colours_at: ColoursAt) -> Skin:
    """Lay the stretch's first frame flat and colour it."""
    vertex, faces, uv = laid_flat(stretch.points[0], stretch.faces, size)
    pixel, face, weights = rasterised(uv[faces] * size, size)
    corners = stretch.faces[face]
    chosen = sorted({round(k) for k in np.linspace(0, len(stretch.points) - 1, BAKED)})
    seen = []
    for k in chosen:
        normals = vertex_normals(stretch.points[k], stretch.faces)
        at, facing = ((a[corners] * weights[..., None]).sum(1) for a in (stretch.points[k], normals))
        facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-6)
        seen.append(colours_at(stretch.first + k, at.astype(np.float32), facing.astype(np.float32)))
    return Skin(vertex, faces, uv, _png(np.median(seen, axis=0), pixel, size))


def laid_flat(points: np.ndarray, faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which vertex each new one was (U,), faces (F, 3) in the order they came, and places (U, 2) in [0, 1]."""
    xatlas = require("xatlas", "xatlas", "for a texture (set texture to 0 to do without)")
    atlas = xatlas.Atlas()
    atlas.add_mesh(points, faces.astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    packing.padding, packing.resolution = GAP, size
    atlas.generate(charts, packing)
    vertex, cut, uv = atlas[0]
    return vertex.astype(np.int64), cut.astype(np.int32), uv.astype(np.float32).clip(0.0, 1.0)


def rasterised(triangles: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles (F, 3, 2) in pixels -> for every covered pixel its index, a face, barycentric coordinates (P, 3)."""
    low = np.floor(triangles.min(1)).astype(int).clip(0, size - 1)
    count = np.ceil(triangles.max(1)).astype(int).clip(1, size) - low
    ends = np.cumsum(count.prod(1))
    cuts = np.searchsorted(ends, np.arange(PIXELS, ends[-1], PIXELS))
    found = [_covered(part, low, count, triangles, size) for part in np.split(np.arange(len(low)), cuts) if len(part)]
    pixel, face, weights = (np.concatenate(parts) for parts in zip(*found, strict=True))
    pixel, first = np.unique(pixel, return_index=True)
    return pixel, face[first], weights[first]


def _covered(
    part: np.ndarray,  # indices of the faces that are looked at
    low: np.ndarray,  # (F, 2) pixel from which a box around each face begins
    count: np.ndarray,  # (F, 2) pixels that it spans
    triangles: np.ndarray,
    size: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same for some of the faces; a pixel may occur more than once."""
    boxes = count[part].prod(1)
    face = np.repeat(part, boxes)
    place = np.arange(len(face)) - np.repeat(np.cumsum(boxes) - boxes, boxes)
    x, y = low[face, 0] + place % count[face, 0], low[face, 1] + place // count[face, 0]
    weights = _barycentric(np.stack((x, y), axis=1) + 0.5, triangles[face])
    inside = weights.min(1) >= -1e-6
    return (y * size + x)[inside], face[inside], weights[inside]


def _barycentric(at: np.ndarray, triangles: np.ndarray) -> np.ndarray:  # (P, 2), (P, 3, 2) -> (P, 3)
    a, b, c = (triangles[:, k] for k in range(3))
    u, v, w = b - a, c - a, at - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
    t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
    return np.stack((1.0 - s - t, s, t), axis=1)


def _png(colours: np.ndarray, pixel: np.ndarray, size: int) -> bytes:
    """Pixels that no face covers repeat the nearest one that is."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt

    picture, bare = np.zeros((size * size, 3)), np.ones(size * size, bool)
    picture[pixel], bare[pixel] = colours, False
    _, nearest = distance_transform_edt(bare.reshape(size, size), return_indices=True)
    filled = picture.reshape(size, size, 3)[tuple(nearest)]
    out = io.BytesIO()
    Image.fromarray((filled.clip(0.0, 1.0) * 255.0).round().astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()
