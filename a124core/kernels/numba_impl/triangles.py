"""The nearest triangle of each pixel on a CPU, compiled by Numba: threads share bands of an image's rows."""

from __future__ import annotations

from torch import Tensor

from ..torch_impl.triangles import DEPTH_STEPS, EMPTY, FACE_BITS, SUBPIXELS, face_of, screen_triangles
from .threads import compiled, run_tasks

BAND = 64  # rows of one task
MIN_WORK_SHARE = 8  # a triangle costs as much as this many points


@compiled
def _zbuffer(corners, share, face, first, steps, subpixels, face_bits, cells):
    """Write the smallest (depth, face) of each pixel of rows first on to cells (H, W)."""
    height, width = cells.shape
    half = subpixels // 2
    for t in range(len(face)):
        ay, by, cy = corners[t, 0, 1], corners[t, 1, 1], corners[t, 2, 1]
        top = max(-((half - min(ay, by, cy)) // subpixels), first)
        bottom = min((max(ay, by, cy) - half) // subpixels, first + height - 1)
        if top > bottom:
            continue
        ax, bx, cx = corners[t, 0, 0], corners[t, 1, 0], corners[t, 2, 0]
        left = max(-((half - min(ax, bx, cx)) // subpixels), 0)
        right = min((max(ax, bx, cx) - half) // subpixels, width - 1)
        area = float((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
        x = left * subpixels + half
        for row in range(top, bottom + 1):
            y = row * subpixels + half
            u = (cx - bx) * (y - by) - (cy - by) * (x - bx)
            v = (ax - cx) * (y - cy) - (ay - cy) * (x - cx)
            w = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
            for column in range(left, right + 1):
                if u >= 0 and v >= 0 and w >= 0:
                    near = (float(u) * share[t, 0] + float(v) * share[t, 1] + float(w) * share[t, 2]) / area
                    packed = (int((1.0 - near) * steps) << face_bits) | face[t]
                    cells[row - first, column] = min(cells[row - first, column], packed)
                u -= (cy - by) * subpixels
                v -= (ay - cy) * subpixels
                w -= (by - ay) * subpixels


def nearest_faces(vertices: Tensor, faces: Tensor, c2w: Tensor, lens: Tensor, size: tuple[int, int]) -> Tensor:
    """As torch_impl.triangles.nearest_faces."""
    buffer = faces.new_full((len(c2w), *size), EMPTY)
    for b in range(len(c2w)):
        triangles = [t.numpy() for t in screen_triangles(vertices, faces, c2w[b], lens[b], size)]
        _draw(triangles, buffer[b])
    return face_of(buffer)


def _draw(triangles: list, cells: Tensor) -> None:
    """Fill one image's z-buffer, band by band."""

    def band(k: int) -> None:
        first = k * BAND
        _zbuffer(*triangles, first, float(DEPTH_STEPS), SUBPIXELS, FACE_BITS, cells[first : first + BAND].numpy())

    run_tasks(band, -(-len(cells) // BAND), MIN_WORK_SHARE * len(triangles[2]))
