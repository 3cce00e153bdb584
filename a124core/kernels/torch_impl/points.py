"""Surfels to antialiased images in plain torch: the specification.

A packed z-buffer at twice the size, holes closed, averaged down."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SUPERSAMPLE = 2
REACH = 1.8  # world units; points lie nearer to the origin than this, so depths fill radius - REACH .. radius + REACH
MIN_DEPTH = 0.02  # smallest depth that is drawn
MARGIN = 3  # cells around an image, for the windows
DEPTH_TOLERANCE = 5.0  # widths of a pixel that an own point may lie behind its neighbours and stay


def splat_points(
    points: Tensor,  # (B, 3, N)
    normals: Tensor,  # (B, 3, N)
    colours: Tensor,  # (N, C) or (B, N, C)
    c2w: Tensor,  # (B, 4, 4)
    radius: Tensor,  # (B,) of the cameras
    focal: Tensor,  # (B,) in cells: half the cells of a side over the tangent of half the angle
    size: int,
) -> Tensor:  # (B, C + 1, size, size) premultiplied colour, alpha
    """Draw the points that face the camera, nearest first."""
    side, count = size * SUPERSAMPLE, len(points)
    bits = max(1, (points.shape[2] - 1).bit_length())
    cells, tolerance = _zbuffer(points, normals, c2w, radius, focal, side, bits)
    cells = _closed(cells, tolerance)
    cover = _cover(cells != torch.iinfo(cells.dtype).max).flatten()
    covered = cover.nonzero()[:, 0]
    index = cells[:, 1:-1, 1:-1].flatten()[covered] & (2**bits - 1)
    if colours.ndim == 3:
        index = index + covered // side**2 * points.shape[2]
    flat = colours.reshape(-1, colours.shape[-1])
    values = torch.cat((flat, flat.new_ones(len(flat), 1)), 1)[index.long()] * cover[covered, None]
    pixel = covered // (side * SUPERSAMPLE) * size + covered % side // SUPERSAMPLE
    sums = values.new_zeros(count * size * size, values.shape[1]).index_add_(0, pixel, values)
    return (sums / (4 * SUPERSAMPLE**2)).view(count, size, size, -1).permute(0, 3, 1, 2)


def depth_steps(bits: int) -> tuple[torch.dtype, int]:
    """Return the z-buffer's dtype and depth steps: the index takes `bits` bits, depth the rest of an int32, or of an
    int64 where 14 bits are not left."""
    return (torch.int32, 2 ** (31 - bits) - 2) if bits <= 17 else (torch.int64, 2**24 - 2)


def _zbuffer(
    points: Tensor, normals: Tensor, c2w: Tensor, radius: Tensor, focal: Tensor, side: int, bits: int
) -> tuple[Tensor, Tensor]:
    """Return packed (depth, index) of each cell's nearest point, (B, side + 6, side + 6), and _closed's tolerance."""
    dtype, steps = depth_steps(bits)
    empty = torch.iinfo(dtype).max
    rotation, centre = c2w[:, :3, :3], c2w[:, :3, 3:]
    facing = (points * normals).sum(1) < (centre.transpose(1, 2) @ normals)[:, 0]
    q = rotation.transpose(1, 2) @ points - rotation.transpose(1, 2) @ centre  # (B, 3, N) in the camera's frame
    z = -q[:, 2]
    near = (radius - REACH).clamp_min(MIN_DEPTH)[:, None]
    scale = focal[:, None] / z.clamp_min(1e-3)
    col = torch.addcmul(torch.tensor(side / 2 + MARGIN).to(points), q[:, 0], scale).int()
    row = torch.addcmul(torch.tensor(side / 2 + MARGIN).to(points), q[:, 1], scale, value=-1).int()
    width = side + 2 * MARGIN
    outside = len(points) * width * width
    first = torch.arange(0, outside, width * width, device=points.device, dtype=torch.int32)[:, None]
    visible = facing & (z > near) & (col.clamp(0, width - 1) == col) & (row.clamp(0, width - 1) == row)
    pixel = torch.where(visible, row * width + col + first, outside)
    share = (z - near).clamp_(0, 2 * REACH) * (steps / (2 * REACH))
    packed = (share.to(dtype) << bits) | torch.arange(points.shape[2], dtype=dtype, device=points.device)
    buffer = torch.full((outside + 1,), empty, dtype=dtype, device=points.device)
    buffer.scatter_reduce_(0, pixel.flatten().long(), packed.flatten(), "amin")
    pixel_width = radius / focal
    tolerance = (DEPTH_TOLERANCE * pixel_width / (2 * REACH) * steps).to(dtype) << bits
    return buffer[:-1].view(len(points), width, width), tolerance[:, None, None]


def _closed(cells: Tensor, tolerance: Tensor) -> Tensor:
    """Fill cells between close points, (B, H + 4, W + 4) -> (B, H, W), by a grey closing of depth; edges stay."""
    closed = _window(_window(cells, torch.minimum), torch.maximum)
    own = cells[:, 2:-2, 2:-2]
    return torch.where(own - tolerance <= closed, own, closed)  # an own point not far behind its neighbours stays


def _cover(hit: Tensor) -> Tensor:
    """Count each cell's corners that are inside, (B, H + 2, W + 2) -> (B, H, W) floats 0 to 4.

    A cell is hit wherever it is touched, which would fatten every outline by half a cell; a corner is inside only if
    all four cells around it are hit.
    """
    x = hit[:, :-1] & hit[:, 1:]
    corners = (x[:, :, :-1] & x[:, :, 1:]).to(torch.uint8)
    x = corners[:, :-1] + corners[:, 1:]
    return (x[:, :, :-1] + x[:, :, 1:]).float()


def _window(x: Tensor, pick: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Apply pick (minimum or maximum) to each 3x3 window of (B, H + 2, W + 2) -> (B, H, W)."""
    x = pick(pick(x[:, :-2], x[:, 1:-1]), x[:, 2:])
    return pick(pick(x[:, :, :-2], x[:, :, 1:-1]), x[:, :, 2:])
