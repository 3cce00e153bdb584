"""A cut-out picture becomes a body: rounded in front and behind, the picture on its front, its rim's colours behind.

Every point lies on the ray of its own pixel, so the reference camera sees the picture again, whatever its pose.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, cos, pi, sin, tan
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...cameras.rig import camera_to_world, make_cameras, pixel_rays
from ...protocols import Cameras
from .body import BODY, Frame, Subject, Surfels
from .fill import blurred, poisson, spread
from .scenes import STILL, Look, draw, subject_named
from .words import SUBJECTS

if TYPE_CHECKING:
    from ...reference.reference import Reference

FATNESS = 0.62  # height of the front against half a ball over the same outline
BACK = 0.85  # height of the back against the front
THICKEST = 0.30  # world units at the method's camera; broad bodies stay flatter than a ball
UPRIGHT = 35.0  # degrees; up to this elevation the body stands upright, above it leans so far less than the camera
FINEST = 1024  # cells a side
SHARPNESS = 0.8  # spacing of the cells against the spacing asked for: texture is finer than shape
BACK_LIGHT = 0.86  # the back is a little darker
TOUCHED = (
    0.12  # share of a cell the mask must cover: points sit in the middles of cells, so the edge needs the next one
)
RIM = 0.012  # share of the picture's side that counts as rim
WALL_TILT = 0.35  # how much a wall's normal leans towards its own side: thin parts are seen from there
LIKE_EXAMPLE = 0.0012  # mean squared difference at 48 pixels (29 dB) below which a picture is an example picture


def inflated(reference: Reference) -> Subject:
    """The subject of a reference, its front towards +z; the reference's own azimuth is left to the scene."""
    r = reference.camera
    camera = make_cameras(float(r.elevation), 0.0, float(r.radius), float(r.fovy))
    image, mask = reference.image.detach().cpu().float(), reference.mask.detach().cpu().float()
    points = _surfels(image, mask, camera, 0.02 * _extent(camera) / 0.655).points
    frame = Frame(points.amin(0), points.amax(0), None, (), float(r.radius), float(r.fovy))
    return Subject("picture", lambda spacing: _surfels(image, mask, camera, spacing), frame)


def recognised(reference: Reference) -> str | None:
    """The primitive subject whose example picture this is, or None."""
    r = reference.camera
    if abs(float(r.elevation)) > 0.5 or abs(float(r.radius) - 1.8) > 1e-3 or abs(float(r.fovy) - 40) > 1e-3:
        return None
    picture, mask = reference.on(torch.ones(3), 48).cpu(), reference.mask_at(48).cpu()
    apart = {}
    for name in SUBJECTS:
        layers = _example(name)
        own = layers[:, :3] + 1 - layers[:, 3:]
        apart[name] = float((own - picture).square().mean() + (layers[:, 3:] - mask).square().mean())
    best = min(apart, key=apart.get)
    return best if apart[best] < LIKE_EXAMPLE else None


@lru_cache(maxsize=32)
def _example(name: str) -> Tensor:
    large = draw(Look(subject_named(name), "reference", STILL), make_cameras(0.0, 0.0), torch.zeros(1), 96)
    return torch.nn.functional.interpolate(large, (48, 48), mode="area")


def _extent(camera: Cameras) -> float:
    """Half the visible height at the origin, world units."""
    return float(camera.radius) * tan(float(camera.fovy) * pi / 360)


def _surfels(image: Tensor, mask: Tensor, camera: Cameras, spacing: float) -> Surfels:
    """Sample the body: front and back sheet and the walls between cells of different height."""
    cells = min(FINEST, max(24, ceil(2 * _extent(camera) / (spacing * SHARPNESS))))
    colour, inside = _resampled(image, mask, cells)
    height = _height(inside, 2 * _extent(camera) / cells, THICKEST * _extent(camera) / 0.655)
    back = _back_colours(colour, inside)
    sheets = [
        _sheet(colour, height, 1.0, inside, camera, spacing),
        _sheet(back, height * BACK, -1.0, inside, camera, spacing),
    ]
    points, normals, colours = (torch.cat(parts) for parts in zip(*sheets, strict=True))
    return Surfels(points, normals, colours, torch.full((len(points),), BODY, dtype=torch.int8))


def _resampled(image: Tensor, mask: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Colours (1, 3, G, G), averaged by coverage, and the mask (1, 1, G, G) as 0 and 1."""

    def resize(x: Tensor) -> Tensor:
        if x.shape[-1] >= cells:
            return torch.nn.functional.interpolate(x, (cells, cells), mode="area")
        return torch.nn.functional.interpolate(x, (cells, cells), mode="bilinear", align_corners=False)

    cover = resize(mask)
    colour = resize(image * mask) / cover.clamp_min(1e-4)
    inside = (cover > TOUCHED).float()
    if not inside.any():  # everything is thinner than a cell
        inside = (cover >= cover.max()).float()
    return colour.clamp(0, 1), inside


def _height(inside: Tensor, cell: float, limit: float) -> Tensor:
    """(1, 1, G, G) world units: round at the outline, never above `limit`."""
    height = poisson(inside).sqrt() * cell * FATNESS
    return limit * torch.tanh(height / limit)


def _back_colours(colour: Tensor, inside: Tensor) -> Tensor:
    """The rim's colours, spread inwards and smoothed: no face on the back."""
    cells = colour.shape[-1]
    reach = max(1, round(RIM * cells))
    deep = -torch.nn.functional.max_pool2d(-inside, 2 * reach + 1, 1, reach)
    rim = inside * (1 - deep)
    back = spread(colour, rim if rim.any() else inside)
    return (blurred(back, inside, max(2, cells // 12)) * BACK_LIGHT).clamp(0, 1)


def _sheet(
    colour: Tensor, height: Tensor, side: float, inside: Tensor, camera: Cameras, spacing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """One side of the body (+1 front, -1 back) as points, normals and colours (N, 3)."""
    h = torch.nn.functional.pad(height, (1, 1, 1, 1))[0, 0]
    row, col = inside[0, 0].nonzero(as_tuple=True)
    here = h[1:-1, 1:-1][row, col]
    near = torch.stack((h[1:-1, 2:], h[1:-1, :-2], h[:-2, 1:-1], h[2:, 1:-1]))[:, row, col]  # right, left, up, down
    rays = _Rays(camera, height.shape[-1])
    smooth = rays.normals(row, col, here * side, near * side) * side
    which, at, normal = [torch.arange(len(here))], [here], [smooth]
    for way, other in zip(rays.ways, near, strict=True):
        count = ((here - other) / spacing).floor().clamp_min(0).long()
        i = torch.arange(len(here)).repeat_interleave(count)
        step = torch.arange(len(i)) - (count.cumsum(0) - count)[i] + 1
        which.append(i)
        at.append(here[i] - step * ((here - other) / (count + 1).clamp_min(1))[i])
        normal.append(torch.nn.functional.normalize(smooth[i] + WALL_TILT * way, dim=1))
    which, at, normal = torch.cat(which), torch.cat(at), torch.cat(normal)
    return rays.points(row[which], col[which], at * side), normal, colour[0][:, row, col].T[which]


class _Rays:
    """The rays of a square picture and the sheet they meet: upright, or leaning with a steep camera."""

    def __init__(self, camera: Cameras, cells: int) -> None:
        self.cells, self.cell = cells, 2 * tan(float(camera.fovy) * pi / 360) / cells
        origins, directions = pixel_rays(camera, (cells, cells))
        self.eye, self.directions = origins[0, 0], directions[0]
        right, up = camera_to_world(camera)[0, :3, 0], camera_to_world(camera)[0, :3, 1]
        self.right, self.up, self.ways = right, up, torch.stack((right, -right, up, -up))
        elevation = float(camera.elevation)
        lean = (abs(elevation) - min(abs(elevation), UPRIGHT)) * (1 if elevation > 0 else -1) * pi / 180
        self.front = torch.tensor([0.0, sin(lean), cos(lean)])

    def _depth(self, d: Tensor, offset: Tensor) -> Tensor:
        """Ray parameter at which the sheet, brought `offset` nearer, is met."""
        return -(self.eye @ self.front) / (d @ self.front) - offset

    def points(self, row: Tensor, col: Tensor, offset: Tensor) -> Tensor:
        """World points (N, 3) on the rays of their cells."""
        d = self.directions[row * self.cells + col]
        return self.eye + d * self._depth(d, offset)[:, None]

    def normals(self, row: Tensor, col: Tensor, here: Tensor, near: Tensor) -> Tensor:
        """Unit normals (N, 3) towards the eye, from the four neighbours' offsets (4, N)."""
        d = self.directions[row * self.cells + col]
        ends = [
            (d + self.cell * w) * self._depth(d + self.cell * w, o)[:, None]
            for w, o in zip(self.ways, near, strict=True)
        ]
        return torch.nn.functional.normalize(torch.linalg.cross(ends[0] - ends[1], ends[2] - ends[3]), dim=1)
