"""Surfels -> antialiased pictures in plain torch: the specification.

A packed z-buffer at twice the size, holes closed, averaged down."""

from __future__ import annotations

import torch
from torch import Tensor

SUPERSAMPLE = 2
REACH = 1.8  # world units; points lie nearer to the origin than this, so depths fill radius - REACH .. radius + REACH
NEAREST = 0.02  # smallest depth that is drawn
RIM = 3  # cells around a picture, for the windows
WITHIN = 5.0  # widths of a pixel that an own point may lie behind its neighbours and stay


def splat_points(
    points: Tensor,  # (B, 3, N)
    normals: Tensor,  # (B, 3, N)
    colours: Tensor,  # (N, C) or (B, N, C)
    c2w: Tensor,  # (B, 4, 4)
    radius: Tensor,  # (B,) of the cameras
    focal: Tensor,  # (B,) in cells: half the cells of a side over the tangent of half the angle
    size: int,
) -> Tensor:  # (B, C + 1, size, size) premultiplied colour, alpha
    """The points that face the camera, nearest first."""
    side, count = size * SUPERSAMPLE, len(points)
    bits = max(1, (points.shape[2] - 1).bit_length())
    cells, tolerance = _zbuffer(points, normals, c2w, radius, focal, side, bits)
    cells = _closed(cells, tolerance)
    cover = _cover(cells != torch.iinfo(cells.dtype).max).flatten()
    spot = cover.nonzero()[:, 0]
    index = cells[:, 1:-1, 1:-1].flatten()[spot] & (2**bits - 1)
    if colours.ndim == 3:
        index = index + spot // side**2 * points.shape[2]
    flat = colours.reshape(-1, colours.shape[-1])
    values = torch.cat((flat, flat.new_ones(len(flat), 1)), 1)[index.long()] * cover[spot, None]
    pixel = spot // (side * SUPERSAMPLE) * size + spot % side // SUPERSAMPLE
    sums = values.new_zeros(count * size * size, values.shape[1]).index_add_(0, pixel, values)
    return (sums / (4 * SUPERSAMPLE**2)).view(count, size, size, -1).permute(0, 3, 1, 2)


def depth_steps(bits: int) -> tuple[torch.dtype, int]:
    """The index takes `bits` bits, the depth the rest of an int32, or of an int64 when 14 bits are not left."""
    return (torch.int32, 2 ** (31 - bits) - 2) if bits <= 17 else (torch.int64, 2**24 - 2)


def _zbuffer(
    points: Tensor, normals: Tensor, c2w: Tensor, radius: Tensor, focal: Tensor, side: int, bits: int
) -> tuple[Tensor, Tensor]:
    """Packed (depth, index) of each cell's nearest point, (B, side + 6, side + 6), and the tolerance of _closed."""
    dtype, steps = depth_steps(bits)
    empty = torch.iinfo(dtype).max
    turn, centre = c2w[:, :3, :3], c2w[:, :3, 3:]
    facing = (points * normals).sum(1) < (centre.transpose(1, 2) @ normals)[:, 0]
    q = turn.transpose(1, 2) @ points - turn.transpose(1, 2) @ centre  # (B, 3, N) in the camera's frame
    z = -q[:, 2]
    near = (radius - REACH).clamp_min(NEAREST)[:, None]
    scale = focal[:, None] / z.clamp_min(1e-3)
    col = torch.addcmul(torch.tensor(side / 2 + RIM).to(points), q[:, 0], scale).int()
    row = torch.addcmul(torch.tensor(side / 2 + RIM).to(points), q[:, 1], scale, value=-1).int()
    wide = side + 2 * RIM
    first = torch.arange(0, len(points) * wide * wide, wide * wide, device=points.device, dtype=torch.int32)[:, None]
    out = len(points) * wide * wide
    seen = facing & (z > near) & (col.clamp(0, wide - 1) == col) & (row.clamp(0, wide - 1) == row)
    pixel = torch.where(seen, row * wide + col + first, out)
    share = (z - near).clamp_(0, 2 * REACH) * (steps / (2 * REACH))
    packed = (share.to(dtype) << bits) | torch.arange(points.shape[2], dtype=dtype, device=points.device)
    buffer = torch.full((len(points) * wide * wide + 1,), empty, dtype=dtype, device=points.device)
    buffer.scatter_reduce_(0, pixel.flatten().long(), packed.flatten(), "amin")
    pixel_width = radius / focal
    tolerance = (WITHIN * pixel_width / (2 * REACH) * steps).to(dtype) << bits
    return buffer[:-1].view(len(points), wide, wide), tolerance[:, None, None]


def _closed(cells: Tensor, tolerance: Tensor) -> Tensor:
    """Fill cells between close points (B, H + 4, W + 4) -> (B, H, W): a grey closing of depth, edges stay in place."""
    closed = _window(_window(cells, torch.minimum), torch.maximum)
    own = cells[:, 2:-2, 2:-2]
    return torch.where(own - tolerance <= closed, own, closed)  # an own point not far behind its neighbours stays


def _cover(hit: Tensor) -> Tensor:
    """How many of each cell's four corners are inside, (B, H + 2, W + 2) -> (B, H, W) floats 0 to 4.

    A cell is hit wherever it is touched, which would fatten every outline by half a cell; a corner is inside only if
    all four cells around it are hit.
    """
    x = hit[:, :-1] & hit[:, 1:]
    corners = (x[:, :, :-1] & x[:, :, 1:]).to(torch.uint8)
    x = corners[:, :-1] + corners[:, 1:]
    return (x[:, :, :-1] + x[:, :, 1:]).float()


def _window(x: Tensor, pick: object) -> Tensor:
    """pick (minimum or maximum) over each 3x3 window of (B, H + 2, W + 2) -> (B, H, W)."""
    x = pick(pick(x[:, :-2], x[:, 1:-1]), x[:, 2:])
    return pick(pick(x[:, :, :-2], x[:, :, 1:-1]), x[:, :, 2:])
