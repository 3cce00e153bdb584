"""Colours of a surface, as a camera in front of it would render them: at vertices, or in a texture (xatlas)."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ...protocols import Field
from ...utils.optional import require
from .mesh import Segment, vertex_normals

POINTS_PER_BATCH = 2**17  # of a field's query
RAY_SAMPLES = 12  # of the short ray through the surface
FRONT_SHARE = 0.5  # of the ray, before the surface
BAKED_FRAMES = 3  # whose median colours a texture has
PIXELS_PER_BATCH = 2**20  # of the rasteriser, each some 150 bytes
CHART_GAP = 4  # pixels between the charts of a texture, so that filtering does not mix them

ColourQuery = Callable[[int, np.ndarray, np.ndarray], np.ndarray]  # frame, points (N, 3), normals (N, 3) -> (N, 3) sRGB


@torch.no_grad()
def colours_at(
    field: Field,
    time: float,
    points: np.ndarray,  # (N, 3)
    normals: np.ndarray,  # (N, 3)
    length: float,  # world units, of the ray, from before the surface to below it
    poll: Callable[[], None] = lambda: None,  # called before each batch: raising in it cancels
) -> np.ndarray:  # (N, 3) sRGB in [0, 1]
    """Render the field along each inward normal, without a background.

    A single sample would not do: where density begins the colour is still that of empty space, deep inside the field
    has learned none."""
    device = field.device
    depth = (torch.arange(RAY_SAMPLES, device=device) + 0.5) / RAY_SAMPLES - FRONT_SHARE
    surface, outward = (torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device) for a in (points, normals))
    batch = POINTS_PER_BATCH // RAY_SAMPLES
    colours = []
    for origins, directions in zip(surface.split(batch), outward.split(batch), strict=True):
        poll()
        colours.append(_render_inwards(field, time, origins, directions, depth * length))
    return torch.cat(colours).cpu().numpy()


def _render_inwards(
    field: Field, time: float, points: torch.Tensor, normals: torch.Tensor, depth: torch.Tensor
) -> torch.Tensor:
    xyz = (points[:, None] - normals[:, None] * depth[:, None]).clamp(-1.0, 1.0)
    density, albedo = field(xyz.reshape(-1, 3), xyz.new_full((xyz.shape[0] * len(depth),), time))
    thickness = density.view(len(points), -1) * (depth[1] - depth[0])
    before = torch.cumsum(thickness, 1) - thickness
    weights = torch.exp(-before) * -torch.expm1(-thickness) + 1e-9  # never a division by zero
    colour = (weights[..., None] * albedo.view(len(points), -1, 3)).sum(1) / weights.sum(1, keepdim=True)
    return colour.clamp(0.0, 1.0)


@dataclass(frozen=True)
class UvAtlas:
    """A surface unwrapped along seams, where vertices are duplicated, with its texture."""

    vertex: np.ndarray  # (U,) index of each vertex in the segment's mesh
    faces: np.ndarray  # (F, 3) into these U
    uv: np.ndarray  # (U, 2) in [0, 1], v downwards as in glTF
    png: bytes  # sRGB


def bake_texture(segment: Segment, size: int, query: ColourQuery) -> UvAtlas:
    """Unwrap the segment's first frame and colour each pixel of it."""
    vertex, faces, uv = unwrap(segment.vertices[0], segment.faces, size)
    pixel, face, weights = rasterise(uv[faces] * size, size)
    corners = segment.faces[face]
    colours = []
    for k in sorted({round(k) for k in np.linspace(0, len(segment.vertices) - 1, BAKED_FRAMES)}):
        at_vertices = (segment.vertices[k], vertex_normals(segment.vertices[k], segment.faces))
        points, normals = ((a[corners] * weights[..., None]).sum(1) for a in at_vertices)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
        colours.append(query(segment.first + k, points.astype(np.float32), normals.astype(np.float32)))
    return UvAtlas(vertex, faces, uv, _png(np.median(colours, axis=0), pixel, size))


def unwrap(vertices: np.ndarray, faces: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the source of each new vertex (U,), faces (F, 3) in their order, and texture coordinates (U, 2)."""
    xatlas = require("xatlas", "xatlas", "for a texture (set texture to 0 to do without)")
    atlas = xatlas.Atlas()
    atlas.add_mesh(vertices, faces.astype(np.uint32))
    charts, packing = xatlas.ChartOptions(), xatlas.PackOptions()
    packing.padding, packing.resolution = CHART_GAP, size
    atlas.generate(charts, packing)
    vertex, unwrapped, uv = atlas[0]
    return vertex.astype(np.int64), unwrapped.astype(np.int32), uv.astype(np.float32).clip(0.0, 1.0)


def rasterise(triangles: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each pixel's index, face and barycentric coordinates (P, 3), for triangles (F, 3, 2) in pixels.

    Ours, because the packages for meshes have none: PIL's fills a triangle, but gives no barycentric coordinates."""
    low = np.floor(triangles.min(1)).astype(int).clip(0, size - 1)
    boxes = np.ceil(triangles.max(1)).astype(int).clip(1, size) - low
    ends = np.cumsum(boxes.prod(1))
    cuts = np.searchsorted(ends, np.arange(PIXELS_PER_BATCH, ends[-1], PIXELS_PER_BATCH))
    batches = [batch for batch in np.split(np.arange(len(low)), cuts) if len(batch)]
    covered = [_covered_pixels(batch, low[batch], boxes[batch], triangles[batch], size) for batch in batches]
    pixel, face, weights = (np.concatenate(parts) for parts in zip(*covered, strict=True))
    pixel, first = np.unique(pixel, return_index=True)
    return pixel, face[first], weights[first]


def _covered_pixels(
    faces: np.ndarray,  # (B,) indices of the faces
    low: np.ndarray,  # (B, 2) first pixel of a box around each
    boxes: np.ndarray,  # (B, 2) pixels that the box spans
    triangles: np.ndarray,  # (B, 3, 2)
    size: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rasterise a batch of faces; a pixel may occur more than once."""
    counts = boxes.prod(1)
    row = np.repeat(np.arange(len(faces)), counts)
    offset = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    x, y = low[row, 0] + offset % boxes[row, 0], low[row, 1] + offset // boxes[row, 0]
    weights = _barycentric(np.stack((x, y), axis=1) + 0.5, triangles[row])
    inside = weights.min(1) >= -1e-6
    return (y * size + x)[inside], faces[row[inside]], weights[inside]


def _barycentric(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:  # (P, 2), (P, 3, 2) -> (P, 3)
    a, b, c = (triangles[:, k] for k in range(3))
    u, v, w = b - a, c - a, points - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
    t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
    return np.stack((1.0 - s - t, s, t), axis=1)


def _png(colours: np.ndarray, pixel: np.ndarray, size: int) -> bytes:
    """Encode the covered pixels' colours; every other pixel repeats the nearest covered one."""
    from PIL import Image
    from scipy.ndimage import distance_transform_edt

    image, uncovered = np.zeros((size * size, 3)), np.ones(size * size, bool)
    image[pixel], uncovered[pixel] = colours, False
    _, nearest = distance_transform_edt(uncovered.reshape(size, size), return_indices=True)
    filled = image.reshape(size, size, 3)[tuple(nearest)]
    out = io.BytesIO()
    Image.fromarray((filled.clip(0.0, 1.0) * 255.0).round().astype(np.uint8)).save(out, format="PNG")
    return out.getvalue()
