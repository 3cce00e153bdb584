"""An image carried along with a motion that a second, worse image shows: an affine move of the whole, then of tiles."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

from ..losses import blur, gaussian_kernel
from ..reference.layers import resize

SIZES, STEPS = (24, 48), 8  # sides at which the affine move is fitted, and Gauss-Newton steps at each
BLUR_TAPS, BLUR_STD = 7, 1.5  # pixels, of both images while they are compared
STAY = 0.05  # weight of the identity, as a share of the data's mean curvature
DAMPING = 1e-3  # of Gauss-Newton, a share of each diagonal entry
REACH, TILE = 3, 9  # cells of 48 that a tile may move besides, and cells along a side of it
TOLERANCE = 3e-4  # mean square difference of two tiles at which one is e times less likely
NEARNESS = 1e-3  # the same of a move by one cell
TRUST = 0.5  # share of the carried image; the rest is the condition. Their errors differ, so the mean has less


@torch.no_grad()
def carried(source: Tensor, condition: Tensor) -> Tensor:  # (B, 3, S, S), (B, 3, h, w) -> (B, 3, S, S)
    """Return the mean of the condition and of the source, moved to where the condition shows it."""
    condition = interpolate(condition.to(source), source.shape[-2:], mode="bilinear", align_corners=False)
    whole = _sampled(source, affine_move(source, condition), source.shape[-1])
    return torch.lerp(condition, _shifted(whole, tile_moves(whole, condition)), TRUST)


def affine_move(source: Tensor, condition: Tensor) -> Tensor:  # (B, 2, 3)
    """Fit the affine maps that take a place of each condition to that of its source: Lucas-Kanade, coarse to fine."""
    identity = torch.eye(2, 3).to(source)
    move = identity.repeat(len(source), 1, 1)
    kernel = gaussian_kernel(BLUR_TAPS, BLUR_STD)
    for size in SIZES:
        moving, fixed = (blur(resize(image, (size, size)), kernel) for image in (source, condition))
        down, right = (slope * (size / 2) for slope in torch.gradient(moving, dim=(2, 3)))
        x, y = affine_grid(identity[None], [1, 1, size, size], align_corners=False).unbind(-1)
        place = torch.stack((x, y, torch.ones_like(x)), 1)  # (1, 3, h, w)
        for _ in range(STEPS):
            residual = (fixed - _sampled(moving, move, size)).flatten(1)
            slopes = [_sampled(slope, move, size) for slope in (right, down)]
            jacobian = torch.cat([slope[:, None] * place[:, :, None] for slope in slopes], 1).flatten(2)  # (B, 6, N)
            curvature = jacobian @ jacobian.transpose(1, 2)
            diagonal = curvature.diagonal(dim1=1, dim2=2)
            stay = STAY * diagonal.mean(1, keepdim=True).clamp_min(1e-6)
            pull = (jacobian @ residual[..., None])[..., 0] - stay * (move - identity).flatten(1)
            curvature = curvature + torch.diag_embed(stay + DAMPING * diagonal)
            move = move + torch.linalg.solve(curvature, pull).view_as(move)
    return move


def tile_moves(source: Tensor, condition: Tensor) -> Tensor:  # (B, 2, 48, 48)
    """Return the posterior mean of where each tile of the condition comes from, down and right, in cells."""
    size = SIZES[-1]
    fixed, moving = (resize(image, (size, size)) for image in (condition, source))
    padded = pad(moving, (REACH,) * 4, mode="replicate")
    moves = torch.cartesian_prod(*[torch.arange(-REACH, REACH + 1)] * 2)
    costs = []
    for down, right in (moves + REACH).tolist():
        difference = (padded[..., down : down + size, right : right + size] - fixed).square().mean(1)
        costs.append(avg_pool2d(difference, TILE, 1, TILE // 2, count_include_pad=False))
    cost = torch.stack(costs) + NEARNESS * moves.square().sum(1).view(-1, 1, 1, 1)
    return torch.einsum("dbhw,dc->bchw", torch.softmax(-cost / TOLERANCE, 0), moves.to(cost))


def _sampled(image: Tensor, move: Tensor, size: int) -> Tensor:  # (B, C, size, size)
    grid = affine_grid(move, [*image.shape[:2], size, size], align_corners=False)
    return grid_sample(image, grid, padding_mode="border", align_corners=False)


def _shifted(image: Tensor, moves: Tensor) -> Tensor:  # (B, C, S, S)
    """Show at every place what lies the given cells away."""
    side = image.shape[-1]
    moves = interpolate(moves, (side, side), mode="bilinear", align_corners=False) * (2.0 / SIZES[-1])
    grid = affine_grid(torch.eye(2, 3).to(image).expand(len(image), -1, -1), list(image.shape), align_corners=False)
    return grid_sample(image, grid + moves.flip(1).permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
