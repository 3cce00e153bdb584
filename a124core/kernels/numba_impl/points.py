"""Surfels to antialiased images on a CPU, compiled by Numba: an image's z-buffer stays in the cache."""

from __future__ import annotations

import numpy as np
from numba import float32, int64, njit
from torch import Tensor

from ..torch_impl.points import DEPTH_TOLERANCE, MARGIN, MIN_DEPTH, REACH, SUPERSAMPLE, depth_steps
from .threads import compiled, run_tasks

EMPTY = np.iinfo(np.int64).max


@compiled
def _zbuffer(points, normals, c2w, focal, near, span, steps, bits, cells):
    """Of each cell, the nearest point that faces the camera: its depth in steps, then its index in `bits` bits."""
    width, half = cells.shape[0], float32(0.5 * cells.shape[0])
    per_unit = float32(steps / span)
    for n in range(points.shape[1]):
        a, b, c = normals[0, n], normals[1, n], normals[2, n]
        x, y, z = points[0, n] - c2w[0, 3], points[1, n] - c2w[1, 3], points[2, n] - c2w[2, 3]
        depth = -(c2w[0, 2] * x + c2w[1, 2] * y + c2w[2, 2] * z)
        if x * a + y * b + z * c >= float32(0.0) or depth <= near:
            continue
        scale = focal / max(depth, float32(1e-3))
        column = int(half + (c2w[0, 0] * x + c2w[1, 0] * y + c2w[2, 0] * z) * scale)
        row = int(half - (c2w[0, 1] * x + c2w[1, 1] * y + c2w[2, 1] * z) * scale)
        if 0 <= column < width and 0 <= row < width:
            packed = (int64(min(depth - near, span) * per_unit) << bits) | n
            cells[row, column] = min(cells[row, column], packed)


@compiled
def _closed(cells, tolerance):
    """torch_impl.points._closed of one image: (H + 4, W + 4) -> (H, W)."""
    height, width = cells.shape
    rows, eroded = np.empty((height - 2, width), cells.dtype), np.empty((height - 2, width - 2), cells.dtype)
    tall, out = np.empty((height - 4, width - 2), cells.dtype), np.empty((height - 4, width - 4), cells.dtype)
    for y in range(height - 2):
        for x in range(width):
            rows[y, x] = min(min(cells[y, x], cells[y + 1, x]), cells[y + 2, x])
        for x in range(width - 2):
            eroded[y, x] = min(min(rows[y, x], rows[y, x + 1]), rows[y, x + 2])
    for y in range(height - 4):
        for x in range(width - 2):
            tall[y, x] = max(max(eroded[y, x], eroded[y + 1, x]), eroded[y + 2, x])
        for x in range(width - 4):
            closed, own = max(max(tall[y, x], tall[y, x + 1]), tall[y, x + 2]), cells[y + 2, x + 2]
            out[y, x] = own if own - tolerance <= closed else closed
    return out


@njit(inline="always")
def _inside(cells, y, x):
    """A corner is inside if all four cells around it are hit."""
    return int(max(max(cells[y, x], cells[y, x + 1]), max(cells[y + 1, x], cells[y + 1, x + 1])) != EMPTY)


@compiled
def _shade(cells, colours, bits, fold, out):
    """Add the colours of the cells' points, weighted by the corners of the cell that are inside, to out (C + 1, S, S),
    whose pixels have fold cells a side."""
    last, channels = (1 << bits) - 1, colours.shape[1]
    share = float32(1.0 / (4 * fold * fold))
    for y in range(cells.shape[0] - 2):
        for x in range(cells.shape[1] - 2):
            corners = _inside(cells, y, x) + _inside(cells, y, x + 1)
            corners += _inside(cells, y + 1, x) + _inside(cells, y + 1, x + 1)
            if corners:
                weight, index = float32(corners) * share, cells[y + 1, x + 1] & last
                for c in range(channels):
                    out[c, y // fold, x // fold] += weight * colours[index, c]
                out[channels, y // fold, x // fold] += weight


def splat_points(
    points: Tensor, normals: Tensor, colours: Tensor, c2w: Tensor, radius: Tensor, focal: Tensor, size: int
) -> Tensor:
    """As torch_impl.points.splat_points. Threads share the images."""
    bits = max(1, (points.shape[2] - 1).bit_length())
    steps, width = depth_steps(bits)[1], size * SUPERSAMPLE + 2 * MARGIN
    near = (radius - REACH).clamp_min(MIN_DEPTH).numpy()
    tolerance = (DEPTH_TOLERANCE * (radius / focal) / (2 * REACH) * steps).long() << bits
    arrays = [v.numpy() for v in (points, normals, c2w, colours.expand(len(points), -1, -1))]
    out = points.new_zeros(len(points), colours.shape[-1] + 1, size, size)

    def image(b: int) -> None:
        cells = np.full((width, width), EMPTY)
        xyz, directions, camera, own = (np.ascontiguousarray(v[b]) for v in arrays)
        _zbuffer(xyz, directions, camera, float32(focal[b]), near[b], float32(2 * REACH), steps, bits, cells)
        _shade(_closed(cells, int(tolerance[b])), own, bits, SUPERSAMPLE, out[b].numpy())

    run_tasks(image, len(points), len(points) * points.shape[2])
    return out
