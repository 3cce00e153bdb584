"""The solid over a silhouette: parts as thick as they are wide, round at the outline, with the depth map in front.

Lengths are shares of the image's side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.ndimage import distance_transform_edt, gaussian_filter
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ....reference.layers import fill_outwards, resize

SIDE = 192  # cells at which the solid's thickness is found
FRONT, BACK = 0.90, 0.75  # heights against those of a ball or a round limb
THICKEST = 0.42  # height that nothing reaches: broad bodies are flatter than a ball
SMOOTH = 0.02  # standard deviation of the blur that rounds the ridges between limbs
DEEPEST = 2.0  # largest height under a depth map, against the height without one
SHALLOWEST = 0.25  # least height under a depth map, against the height without one
EDGE = 4.0  # cells from the outline in which a depth map is uncertain
SWEEPS = 40  # relaxation sweeps per level of the pyramid
COARSEST = 12  # side at which the pyramid starts


@dataclass(frozen=True)
class Solid:
    """Heights over a silhouette at a working size, as factors of the square root of `poisson` there."""

    front: Tensor  # (1, 1, SIDE, SIDE)
    back: Tensor  # (1, 1, SIDE, SIDE)
    middle: Tensor  # (1, 1, SIDE, SIDE): how much nearer the outline is than the middle of the solid

    def heights(self, inside: Tensor) -> tuple[Tensor, Tensor]:
        """Return how much nearer the front is than the sheet, and how much farther the back: (1, 1, G + 2, G + 2) each,
        with a cell of the outline's height around the image."""
        size = inside.shape[-2:]
        film = poisson(inside).sqrt() / size[0]
        front, back, middle = (
            interpolate(x, size, mode="bilinear", align_corners=False) for x in (self.front, self.back, self.middle)
        )
        middle = pad(middle, (1, 1, 1, 1), mode="replicate")
        return pad(film * front, (1, 1, 1, 1)) + middle, pad(film * back, (1, 1, 1, 1)) - middle


def make_solid(mask: Tensor, depth: Tensor | None) -> Solid:  # (1, 1, S, S) each
    """Find the solid of a mask; depth in [0, 1], near = bright, shapes the front."""
    inside = _at_least_one(resize(mask, (SIDE, SIDE)))
    film = poisson(inside)
    _, squares, _ = inscribed_balls(inside[0, 0])
    blurred = [torch.from_numpy(gaussian_filter(x.numpy(), SMOOTH * SIDE)) for x in (squares, film[0, 0])]
    height = (film * blurred[0] / blurred[1].clamp_min(1e-6)).sqrt() / SIDE
    height = torch.where(inside > 0, height, 0.0)
    front, back = (THICKEST * torch.tanh(share * height / THICKEST) for share in (FRONT, BACK))
    middle = torch.zeros_like(front)
    if depth is not None:
        front, middle = _under_depth(front, _averaged(depth, mask), inside)
    root = film.sqrt() / SIDE
    factors = [fill_outwards(x / root.clamp_min(1e-6), inside) for x in (front, back)]
    return Solid(*factors, middle)


def _averaged(depth: Tensor, mask: Tensor) -> Tensor:
    """Reduce a depth map to the working size, averaged by coverage."""
    return resize(depth * mask, (SIDE, SIDE)) / resize(mask, (SIDE, SIDE)).clamp_min(1e-4)


def _at_least_one(cover: Tensor) -> Tensor:
    """Return coverage as 0 and 1; what is thinner than a cell everywhere keeps its thickest cells."""
    inside = (cover > 0.5).float()
    return inside if inside.any() else (cover >= cover.max()).float()


def inscribed_balls(inside: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # (G, G) of 0 and 1 -> (G, G) each
    """Return distances to the outline, and of the balls over all inscribed discs the squared height of their union and
    the radius of the one on top, in cells."""
    distance = torch.from_numpy(distance_transform_edt(pad(inside, (1, 1, 1, 1)).numpy())[1:-1, 1:-1]).float()
    squares, radius = distance.square(), distance
    for axis in (0, 1):  # max over cells p of distance(p)^2 - |p - q|^2: one axis after the other
        squares, radius = _highest_along(squares, radius, axis, int(distance.max()) + 1)
    return distance, squares.clamp_min(0) * inside, radius * inside


def _highest_along(squares: Tensor, radius: Tensor, axis: int, reach: int) -> tuple[Tensor, Tensor]:
    """Dilate squares (G, G) by a parabola along an axis, and take along the radius of the highest."""
    best, taken, length = squares.clone(), radius.clone(), squares.shape[axis]
    for step in range(1, min(reach, length - 1) + 1):
        for into, out_of in ((0, step), (step, 0)):
            other = squares.narrow(axis, out_of, length - step) - step * step
            part, part_taken = (x.narrow(axis, into, length - step) for x in (best, taken))
            higher = other > part
            part.copy_(torch.where(higher, other, part))
            part_taken.copy_(torch.where(higher, radius.narrow(axis, out_of, length - step), part_taken))
    return best, taken


def _under_depth(height: Tensor, depth: Tensor, inside: Tensor) -> tuple[Tensor, Tensor]:
    """Return the front's height with a depth map's relief, and the sheet that the depths along the outline span."""
    distance, _, radius = (x[None, None] for x in inscribed_balls(inside[0, 0]))
    edge = (radius / 2).clamp_max(EDGE)
    depth = fill_outwards(depth, inside * (distance >= edge))
    sheet = fill_outwards(depth, inside * (distance < edge + 2))
    sheet = torch.from_numpy(gaussian_filter(sheet[0, 0].numpy(), SMOOTH * SIDE))[None, None]
    relief = (depth - sheet) * inside
    most = DEEPEST * float(height.max())
    scale = min(most, float(height.sum() / relief.sum())) if relief.sum() > 0 else most
    share = (2 * distance / radius.clamp_min(0.5)).clamp(0, 1)
    raised = torch.lerp(height, scale * relief, share.square() * (3 - 2 * share))
    raised = raised.maximum(SHALLOWEST * height).minimum(DEEPEST * height)
    return raised, scale * (sheet - (sheet * inside).sum() / inside.sum())


def poisson(mask: Tensor, source: float = 4.0) -> Tensor:
    """Solve laplace f = -source inside mask (1, 1, G, G) of 0 and 1, f = 0 outside, in units of cells squared.

    With source 4, sqrt(f) over a disc is half a ball. Solved from coarse to fine; each level starts from the last.
    """
    side = mask.shape[-1]
    sizes = [side]
    while sizes[-1] // 2 >= COARSEST:
        sizes.append(sizes[-1] // 2)
    f = torch.zeros_like(mask)
    for size in reversed(sizes):
        m = mask if size == side else (interpolate(mask, (size, size), mode="area") > 0.5).float()
        cell = side / size
        f = interpolate(f, (size, size), mode="bilinear", align_corners=False) * m
        for _ in range(SWEEPS):
            p = pad(f, (1, 1, 1, 1))
            neighbours = p[..., :-2, 1:-1] + p[..., 2:, 1:-1] + p[..., 1:-1, :-2] + p[..., 1:-1, 2:]
            f = m * (neighbours + source * cell * cell) / 4
    return f
