"""Tiles of one image laid over another that shows the same subject, moved: block matching, for the detail alone."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample, interpolate, pad

from ..losses import blur, gaussian_kernel

GRID = 48  # side at which tiles are compared
REACH = 10  # cells that a tile may have moved, a fifth of the image
TILE = 7  # cells along a side of a tile
TOLERANCE = 3e-4  # mean square difference of two tiles at which one is e times less likely
NEARNESS = 1e-5  # the same of a move by one cell: of two tiles that fit alike the nearer one is taken
DETAIL_STD = 1 / 32  # share of the side; what such a blur leaves over is detail


def carried(source: Tensor, condition: Tensor) -> Tensor:  # (B, 3, S, S), (B, 3, h, w) -> (B, 3, S, S)
    """Return the condition with the detail of the source, whose tiles are laid where they agree best."""
    condition = interpolate(condition.to(source), source.shape[-2:], mode="bilinear", align_corners=False)
    moved = _warped(source, _moves(source, condition))
    std = DETAIL_STD * source.shape[-1]
    kernel = gaussian_kernel(2 * round(2.0 * std) + 1, std)
    return (blur(condition, kernel) + moved - blur(moved, kernel)).clamp(0.0, 1.0)


def _moves(source: Tensor, condition: Tensor) -> Tensor:  # (B, 2, GRID, GRID)
    """Return the posterior mean of where each tile of the condition comes from, down and right, in cells."""
    a, b = (interpolate(image, (GRID, GRID), mode="area") for image in (condition, source))
    padded = pad(b, (REACH,) * 4, mode="replicate")
    moves = torch.cartesian_prod(*[torch.arange(-REACH, REACH + 1)] * 2)
    costs = torch.stack([_tile_differences(padded, a, int(down), int(right)) for down, right in moves])
    costs += NEARNESS * moves.square().sum(1).view(-1, 1, 1, 1)
    return torch.einsum("dbhw,dc->bchw", torch.softmax(-costs / TOLERANCE, 0), moves.to(costs))


def _tile_differences(padded: Tensor, image: Tensor, down: int, right: int) -> Tensor:  # (B, GRID, GRID)
    top, left = REACH + down, REACH + right
    moved = padded[..., top : top + GRID, left : left + GRID]
    return avg_pool2d((moved - image).square().mean(1), TILE, 1, TILE // 2, count_include_pad=False)


def _warped(source: Tensor, moves: Tensor) -> Tensor:  # (B, C, S, S)
    """Return the source as it looks where every place shows what lies the given cells away."""
    side = source.shape[-1]
    moves = interpolate(moves, (side, side), mode="bilinear", align_corners=False) * (2.0 / GRID)
    axis = (torch.arange(side) + 0.5) * (2.0 / side) - 1.0
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack((x + moves[:, 1], y + moves[:, 0]), -1)
    return grid_sample(source, grid, padding_mode="border", align_corners=False)
