"""The encoding of HexPlane in plain torch: the specification, and the only form.

A point of space and time is looked up in six planes. Each plane of space meets the one of the other two axes, of which
one is time: XY and ZT, XZ and YT, YZ and XT (HexPlane, arXiv 2301.09632). The two are added and the three sums
concatenated, as in MAV3D (arXiv 2301.11280), on every level."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .grid import GridRows, inside_cube, mixed_grids, select_grids, weighted_rows

PAIRS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))  # axes of a plane of space, and the axis that time is joined to


@dataclass(frozen=True)
class PlaneLevel:
    """One resolution of all six planes."""

    side: int  # vertices along an axis of space, the first and the last on the faces of the cube
    plane_offset: int  # of its 3 side^2 rows in the planes of space
    line_offset: int  # of its 3 side rows in a time grid


def encode_planes(
    planes: Tensor,  # (P, 2) of space, first axis fastest
    lines: Tensor,  # (T, L, 2): the planes of space and time, one line of each at every time grid
    xyz: Tensor,  # (N, 3) in [-1, 1]
    time: Tensor,  # (N,) in [0, 1]
    levels: tuple[PlaneLevel, ...],
    loop: bool = False,
    slopes: bool = False,
) -> Tensor:  # (N, 6 * len(levels)); with slopes (3, N, 6 * len(levels)), its derivatives by x, y and z
    """Return the bilinear features of every level. Both are differentiable with respect to planes and lines. Samples
    outside the cube have zero features and no gradient."""
    points = xyz.T.contiguous()
    rows, grids = select_grids(lines, time, len(levels), loop)
    inside, whole = inside_cube(points), GridRows(torch.zeros_like(time, dtype=torch.int32)[None], None)
    plane_bags, line_bags = [], []
    for level in levels:
        cell, weight = _axes(points, level.side)
        for k, (a, b, c) in enumerate(PAIRS):
            index, factor = _plane(cell, weight, (a, b), level.side, slopes)
            index += level.plane_offset + k * level.side**2
            plane_bags.append(mixed_grids(index, factor, inside, whole))
            index, factor = _line(cell, weight, c, level.side, slopes)
            index += level.line_offset + k * level.side
            line_bags.append(mixed_grids(index, factor, inside, grids))
    return weighted_rows(planes, plane_bags) + weighted_rows(rows, line_bags)


def _axes(points: Tensor, side: int) -> tuple[Tensor, Tensor]:  # (3, N) -> cells (3, N) int32, weights (3, 2, N)
    """Return the cell along each axis, and the weights of its two ends."""
    position = (points.clamp(-1.0, 1.0) * 0.5 + 0.5) * (side - 1)
    cell = position.floor().clamp(max=side - 2)
    upper = position - cell
    return cell.to(torch.int32), torch.stack((1.0 - upper, upper), dim=1)


def _slope(like: Tensor, side: int) -> Tensor:  # (2, N)
    """Return d weights / d coordinate of both ends."""
    rise = torch.full_like(like, 0.5 * (side - 1))
    rise[0] *= -1.0
    return rise


def _plane(
    cell: Tensor, weight: Tensor, axes: tuple[int, int], side: int, slopes: bool
) -> tuple[Tensor, Tensor]:  # (4, N) int32; (4, N) or (3, 4, N)
    """Return the four corners around each point in a plane, and their weights or the weights' derivatives."""
    a, b = axes
    first = cell[a] + side * cell[b]
    index = torch.stack((first, first + 1, first + side, first + side + 1))
    if not slopes:
        return index, _outer(weight[a], weight[b])
    change = {a: _outer(_slope(weight[a], side), weight[b]), b: _outer(weight[a], _slope(weight[b], side))}
    return index, torch.stack([change.get(axis, torch.zeros_like(change[a])) for axis in range(3)])


def _line(
    cell: Tensor, weight: Tensor, axis: int, side: int, slopes: bool
) -> tuple[Tensor, Tensor]:  # (2, N) int32; (2, N) or (3, 2, N)
    """Return the same in a line of a plane of space and time."""
    index = torch.stack((cell[axis], cell[axis] + 1))
    if not slopes:
        return index, weight[axis]
    rise = _slope(weight[axis], side)
    return index, torch.stack([rise if k == axis else torch.zeros_like(rise) for k in range(3)])


def _outer(a: Tensor, b: Tensor) -> Tensor:  # (2, N) twice -> (4, N), a fastest
    return (b[:, None] * a[None]).flatten(0, 1)
