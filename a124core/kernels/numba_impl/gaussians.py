"""Anisotropic Gaussians on a CPU, compiled by Numba: threads share bands of an image's rows."""

from __future__ import annotations

from math import ceil, exp, floor

from numba import float32
from torch import Tensor

from ..torch_impl.gaussians import MAX_ALPHA, MIN_ALPHA, MIN_LIGHT, screen_ellipses
from .threads import compiled, run_tasks

BAND = 16  # rows of one task


@compiled
def _composite(ellipses, first, limits, light, out):
    """Add ellipses, the nearest first, to out (5, H, W), whose first row is `first`; light (H, W) is what remains."""
    height, width = light.shape
    highest, lowest, darkest = limits
    for n in range(len(ellipses)):
        y, half_height = ellipses[n, 1], ellipses[n, 6]
        top = max(int(floor(y - half_height)) - 1, first)
        bottom = min(int(ceil(y + half_height)) + 1, first + height)
        if top >= bottom:
            continue
        x, half_width = ellipses[n, 0], ellipses[n, 5]
        left, right = max(int(floor(x - half_width)) - 1, 0), min(int(ceil(x + half_width)) + 1, width)
        xx, xy, yy, opacity = ellipses[n, 2], ellipses[n, 3], ellipses[n, 4], ellipses[n, 7]
        red, green, blue, depth = ellipses[n, 8], ellipses[n, 9], ellipses[n, 10], ellipses[n, 11]
        for row in range(top, bottom):
            dy = (float32(row) + float32(0.5)) - y
            for column in range(left, right):
                before = light[row - first, column]
                if before < darkest:
                    continue
                dx = (float32(column) + float32(0.5)) - x
                power = float32(-0.5) * (xx * dx * dx + yy * dy * dy) - xy * dx * dy
                alpha = min(opacity * float32(exp(power)), highest)
                if alpha < lowest:
                    continue
                weight = before * alpha
                out[0, row - first, column] += weight * red
                out[1, row - first, column] += weight * green
                out[2, row - first, column] += weight * blue
                out[3, row - first, column] += weight
                out[4, row - first, column] += weight * depth
                light[row - first, column] = before * (float32(1.0) - alpha)


def draw_gaussians(
    means: Tensor, covariances: Tensor, rgba: Tensor, c2w: Tensor, lens: Tensor, size: tuple[int, int]
) -> Tensor:
    """As torch_impl.gaussians.draw_gaussians."""
    out, light = means.new_zeros(len(c2w), 5, *size), means.new_ones(len(c2w), *size)
    limits = float32(MAX_ALPHA), float32(MIN_ALPHA), float32(MIN_LIGHT)
    for b in range(len(c2w)):
        _draw(screen_ellipses(means, covariances, rgba, c2w[b], lens[b], size).numpy(), limits, light[b], out[b])
    return out


def _draw(ellipses, limits: tuple, light: Tensor, out: Tensor) -> None:
    """Composite one image, band by band."""

    def band(k: int) -> None:
        rows = slice(k * BAND, (k + 1) * BAND)
        _composite(ellipses, rows.start, limits, light[rows].numpy(), out[:, rows].numpy())

    run_tasks(band, -(-len(light) // BAND), len(ellipses) * BAND)
