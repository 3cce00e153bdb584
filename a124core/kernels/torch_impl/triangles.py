"""The nearest triangle of each pixel in plain torch: the specification.

Corners are rounded to parts of a pixel and tested in whole numbers: shared edges leave no gap, and every backend
covers the same pixels. Both sides of a triangle are drawn."""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = 0.02  # smallest depth that is drawn, world units; triangles are cut there
SUBPIXELS = 256  # steps of a corner's position in a pixel
FARTHEST = 2**29  # of a corner, in these steps: products of two differences fit into 64 bits
DEPTH_STEPS = 2**30  # of the z-buffer, even in 1 / depth: the nearest first
FACE_BITS = 31  # of an entry of the z-buffer, below its depth
EMPTY = torch.iinfo(torch.int64).max
PIXELS_AT_ONCE = 2**20  # of the boxes around triangles, each some 150 bytes


def nearest_faces(
    vertices: Tensor,  # (V, 3) world
    faces: Tensor,  # (F, 3) int64
    c2w: Tensor,  # (B, 4, 4)
    lens: Tensor,  # (B, 3) focal length, and the axis right of and above the image's middle, all in pixels
    size: tuple[int, int],  # H, W
) -> Tensor:  # (B, H, W) int64 index of the face at each pixel's centre, -1 where there is none
    """Return which face each pixel sees."""
    images = [_zbuffer(*screen_triangles(vertices, faces, c2w[b], lens[b], size), size) for b in range(len(c2w))]
    return face_of(torch.stack(images)) if images else faces.new_zeros(0, *size)


def face_of(buffer: Tensor) -> Tensor:
    """Return the face of each entry of a z-buffer, -1 where it is empty."""
    return torch.where(buffer == EMPTY, -1, buffer & (2**FACE_BITS - 1))


def screen_triangles(
    vertices: Tensor, faces: Tensor, c2w: Tensor, lens: Tensor, size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Project one image's triangles that may be visible: corners (T, 3, 2) int64 in SUBPIXELS, ordered so that
    _edge of them is positive; NEAR / depth at the corners (T, 3) float64; their faces (T,)."""
    camera, lens = c2w.double(), lens.double()
    local = (vertices.double() - camera[:3, 3]) @ camera[:3, :3]
    inside = (-local[:, 2] > NEAR)[faces]
    count = inside.sum(1)
    whole, crossing = torch.nonzero(count == 3)[:, 0], torch.nonzero((count == 1) | (count == 2))[:, 0]
    parts, source = _cut_at_near(local[faces[crossing]], inside[crossing])
    corners, share = (t[faces[whole]] for t in _projected(local, lens, size))
    cut_corners, cut_share = _projected(parts, lens, size)
    corners, share = torch.cat((corners, cut_corners)), torch.cat((share, cut_share))
    face = torch.cat((whole, crossing[source]))
    area = _edge(corners[:, 0], corners[:, 1], corners[:, 2])
    order = torch.tensor([[0, 1, 2], [0, 2, 1]], device=faces.device)[(area < 0).long()]
    corners, share = corners.gather(1, order[..., None].expand(-1, -1, 2)), share.gather(1, order)
    low, high = pixel_box(corners)
    last = torch.tensor([size[1] - 1, size[0] - 1], device=faces.device)
    visible = (area != 0) & ((low <= high) & (low <= last) & (high >= 0)).all(1)
    return corners[visible], share[visible], face[visible]


def pixel_box(corners: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and the last pixel (T, 2) whose centres lie in the boxes around triangles (T, 3, 2)."""
    half = SUBPIXELS // 2
    low = -torch.div(half - corners.amin(1), SUBPIXELS, rounding_mode="floor")
    return low, torch.div(corners.amax(1) - half, SUBPIXELS, rounding_mode="floor")


def _projected(points: Tensor, lens: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return positions (..., 2) int64 in SUBPIXELS and NEAR / depth (...) of points in the camera's axes (..., 3)."""
    share = NEAR / (-points[..., 2]).clamp_min(NEAR)
    offset = points[..., :2] * (share * (lens[0] / NEAR))[..., None]
    x, y = size[1] / 2 + lens[1] + offset[..., 0], size[0] / 2 - lens[2] - offset[..., 1]
    return (torch.stack((x, y), -1) * SUBPIXELS).round().clamp(-FARTHEST, FARTHEST).long(), share


def _cut_at_near(corners: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the parts of crossing triangles (C, 3, 3) that lie before the camera (T, 3, 3), and whose they are (T,);
    inside (C, 3) says which corners do."""
    one, two = (torch.nonzero(inside.sum(1) == n)[:, 0] for n in (1, 2))
    a, b, c = _rotated(corners[one], inside[one])
    tips = torch.stack((a, _cut(a, b), _cut(a, c)), 1)
    a, b, c = _rotated(corners[two], ~inside[two])
    left, right = _cut(b, a), _cut(c, a)
    halves = torch.cat((torch.stack((b, c, right), 1), torch.stack((b, right, left), 1)))
    return torch.cat((tips, halves)), torch.cat((one, two, two))


def _rotated(corners: Tensor, alone: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the corner that lies alone on its side, then the two that follow it."""
    order = (alone.long().argmax(1)[:, None] + torch.arange(3, device=corners.device)) % 3
    return corners.gather(1, order[..., None].expand(-1, -1, 3)).unbind(1)


def _cut(inner: Tensor, outer: Tensor) -> Tensor:
    """Return the points where edges cross the plane at depth NEAR."""
    share = (-inner[:, 2] - NEAR) / (outer[:, 2] - inner[:, 2])
    return inner + (outer - inner) * share[:, None]


def _edge(a: Tensor, b: Tensor, p: Tensor) -> Tensor:
    """Return twice the signed area of the triangles a, b, p (..., 2)."""
    return (b[..., 0] - a[..., 0]) * (p[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (p[..., 0] - a[..., 0])


def _zbuffer(corners: Tensor, share: Tensor, face: Tensor, size: tuple[int, int]) -> Tensor:  # (H, W)
    """Return the smallest (depth, face) of each pixel, EMPTY where there is none."""
    last = torch.tensor([size[1] - 1, size[0] - 1], device=face.device)
    low, high = pixel_box(corners)
    low = low.clamp_min(0)
    boxes = torch.minimum(high, last) - low + 1
    counts = boxes.prod(1)
    buffer = torch.full((size[0] * size[1],), EMPTY, device=face.device)
    ends = counts.cumsum(0)
    batch = torch.div(ends - 1, PIXELS_AT_ONCE, rounding_mode="floor")
    for first, end in _runs(batch):
        rows = slice(first, end)
        pixel, packed = _candidates(corners[rows], share[rows], face[rows], (low[rows], boxes[rows]), size[1])
        buffer.scatter_reduce_(0, pixel, packed, "amin")
    return buffer.view(size)


def _runs(batch: Tensor) -> list[tuple[int, int]]:
    """Return first and end of each run of equal numbers."""
    counts = torch.unique_consecutive(batch, return_counts=True)[1]
    ends = counts.cumsum(0)
    return list(zip((ends - counts).tolist(), ends.tolist(), strict=True))


def _candidates(
    corners: Tensor, share: Tensor, face: Tensor, boxes: tuple[Tensor, Tensor], width: int
) -> tuple[Tensor, Tensor]:
    """Return pixels (P,) and entries (P,) of the z-buffer for the pixels' centres that lie in the triangles."""
    low, extent = boxes
    counts = extent.prod(1)
    row = torch.repeat_interleave(torch.arange(len(face), device=face.device), counts)
    offset = torch.arange(len(row), device=face.device) - (counts.cumsum(0) - counts)[row]
    column = low[row, 0] + offset % extent[row, 0]
    line = low[row, 1] + torch.div(offset, extent[row, 0], rounding_mode="floor")
    centre = torch.stack((column, line), 1) * SUBPIXELS + SUBPIXELS // 2
    a, b, c = corners[row].unbind(1)
    edges = _edge(b, c, centre), _edge(c, a, centre), _edge(a, b, centre)
    inside = torch.nonzero((edges[0] >= 0) & (edges[1] >= 0) & (edges[2] >= 0))[:, 0]
    u, v, w = (edge[inside].double() for edge in edges)
    row = row[inside]
    area = _edge(a, b, c)[inside].double()
    near = (u * share[row, 0] + v * share[row, 1] + w * share[row, 2]) / area
    packed = (((1.0 - near) * DEPTH_STEPS).long() << FACE_BITS) | face[row]
    return line[inside] * width + column[inside], packed
