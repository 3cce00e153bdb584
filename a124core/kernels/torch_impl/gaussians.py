"""Anisotropic Gaussians to images in plain torch: the specification.

Each is projected to an ellipse (EWA splatting: Zwicker et al. 2001; 3D Gaussian splatting: Kerbl et al. 2023), and they
are composited front to back. The low-pass filter takes as much opacity as it adds area (Mip-Splatting: Yu et al. 2024),
so that a small image is not fatter than a large one."""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = 0.02  # smallest depth that is drawn, world units
LOW_PASS = 0.3  # square pixels that are added to the variance of an ellipse (Kerbl et al.)
MAX_ALPHA, MIN_ALPHA = 0.99, 1 / 255  # of one Gaussian at a pixel; below the smaller one it is left out (Kerbl et al.)
MIN_LIGHT = 1e-5  # of a pixel; what comes behind is left out
VIEW_MARGIN = 1.3  # half images from the middle, past which slopes are those of the margin (Kerbl et al.)
TILE = 8  # pixels a side, composited together: the Gaussians of a model are a few pixels wide
GAUSSIANS_AT_ONCE = 1024  # of a tile


def draw_gaussians(
    means: Tensor,  # (N, 3) world
    covariances: Tensor,  # (N, 3, 3)
    rgba: Tensor,  # (N, 4) colour and opacity in [0, 1]
    c2w: Tensor,  # (B, 4, 4)
    lens: Tensor,  # (B, 3) focal length, and the axis right of and above the image's middle, all in pixels
    size: tuple[int, int],  # H, W
) -> Tensor:  # (B, 5, H, W) premultiplied colour, alpha, premultiplied depth along the axis
    """Draw Gaussians front to back."""
    out = means.new_zeros(len(c2w), 5, *size)
    for b in range(len(c2w)):
        _composite(screen_ellipses(means, covariances, rgba, c2w[b], lens[b], size), out[b])
    return out


def screen_ellipses(
    means: Tensor, covariances: Tensor, rgba: Tensor, c2w: Tensor, lens: Tensor, size: tuple[int, int]
) -> Tensor:
    """Project one image's Gaussians that may be visible, the nearest first, (M, 12): centre x and y, the inverse
    covariance's xx, xy and yy, half width and height of the box where alpha is MIN_ALPHA or more, opacity, colour and
    depth."""
    rotation = c2w[:3, :3]
    x, y, z = ((means - c2w[:3, 3]) @ rotation).unbind(1)
    near = torch.nonzero((-z > NEAR) & (rgba[:, 3] >= MIN_ALPHA))[:, 0]
    x, y, depth, rgba = x[near], y[near], -z[near], rgba[near]
    focal, middle = lens[0], torch.stack((size[1] / 2 + lens[1], size[0] / 2 - lens[2]))
    to_image = _slopes(x / depth, y / depth, focal / depth, size, focal) @ rotation.T
    xx, xy, yy = _flattened(to_image @ covariances[near] @ to_image.transpose(1, 2))
    sharp = (xx * yy - xy * xy).clamp_min(0.0)
    xx, yy = xx + LOW_PASS, yy + LOW_PASS
    area = xx * yy - xy * xy
    opacity = rgba[:, 3] * (sharp / area).sqrt()
    reach = 2.0 * (opacity / MIN_ALPHA).clamp_min(1.0).log()
    half_width, half_height = (reach * xx).sqrt(), (reach * yy).sqrt()
    x, y = middle[0] + focal * x / depth, middle[1] - focal * y / depth
    inside = (x + half_width > 0) & (x - half_width < size[1]) & (y + half_height > 0) & (y - half_height < size[0])
    columns = (x, y, yy / area, -xy / area, xx / area, half_width, half_height, opacity, *rgba[:, :3].unbind(1), depth)
    visible = torch.nonzero(inside & (opacity >= MIN_ALPHA))[:, 0]
    visible = visible[depth[visible].argsort(stable=True)]
    return torch.stack([column[visible] for column in columns], 1)


def _slopes(right: Tensor, up: Tensor, scale: Tensor, size: tuple[int, int], focal: Tensor) -> Tensor:  # (N, 2, 3)
    """Return the derivative of pixels, x right and y down, with respect to the camera's axes right, up and back."""
    wide, high = (VIEW_MARGIN * n / 2 / float(focal) for n in (size[1], size[0]))
    right, up, none = right.clamp(-wide, wide), up.clamp(-high, high), torch.zeros_like(scale)
    rows = torch.stack((scale, none, scale * right), 1), torch.stack((none, -scale, -scale * up), 1)
    return torch.stack(rows, 1)


def _flattened(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return xx, xy and yy of symmetric matrices (N, 2, 2)."""
    return matrix[:, 0, 0], (matrix[:, 0, 1] + matrix[:, 1, 0]) / 2, matrix[:, 1, 1]


def _composite(ellipses: Tensor, out: Tensor) -> None:
    """Write an image (5, H, W), tile by tile."""
    height, width = out.shape[1:]
    x, y, half_width, half_height = ellipses[:, 0], ellipses[:, 1], ellipses[:, 5], ellipses[:, 6]
    for top in range(0, height, TILE):
        bottom = min(top + TILE, height)
        row = torch.nonzero((y + half_height >= top) & (y - half_height <= bottom))[:, 0]
        first, last = x[row] - half_width[row], x[row] + half_width[row]
        for left in range(0, width, TILE):
            right = min(left + TILE, width)
            hit = row[(last >= left) & (first <= right)]
            if len(hit):
                out[:, top:bottom, left:right] = _tile(ellipses[hit], (left, right), (top, bottom))


def _tile(ellipses: Tensor, columns: tuple[int, int], rows: tuple[int, int]) -> Tensor:  # (5, h, w)
    """Composite the ellipses of one tile."""
    y, x = torch.meshgrid(*(torch.arange(*ends).to(ellipses) + 0.5 for ends in (rows, columns)), indexing="ij")
    light, sums = ellipses.new_ones(y.numel()), ellipses.new_zeros(y.numel(), 5)
    for first in range(0, len(ellipses), GAUSSIANS_AT_ONCE):
        part = ellipses[first : first + GAUSSIANS_AT_ONCE]
        dx, dy = x.flatten() - part[:, 0, None], y.flatten() - part[:, 1, None]
        power = -0.5 * (part[:, 2, None] * dx * dx + part[:, 4, None] * dy * dy) - part[:, 3, None] * dx * dy
        alpha = (part[:, 7, None] * power.exp()).clamp(max=MAX_ALPHA)
        alpha = torch.where(alpha < MIN_ALPHA, 0.0, alpha)
        after = light * torch.cumprod(1.0 - alpha, 0)
        before = torch.cat((light[None], after[:-1]))
        weights = torch.where(before < MIN_LIGHT, 0.0, before * alpha)
        values = torch.stack((part[:, 8], part[:, 9], part[:, 10], torch.ones_like(part[:, 0]), part[:, 11]), 1)
        sums, light = sums + weights.T @ values, after[-1]
        if float(light.max()) < MIN_LIGHT:
            break
    return sums.T.view(5, *y.shape)
