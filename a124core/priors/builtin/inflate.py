"""Inflate a cut-out image to a body: rounded in front and behind, the image on its front, its rim's colours behind.

Every point lies on the ray of its own pixel, so the reference camera sees the image again, whatever its pose.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, cos, pi, sin, tan

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d, normalize, pad

from ...cameras.rig import camera_to_world, make_cameras, pixel_rays
from ...protocols import Cameras
from ...reference.layers import resize
from ...reference.reference import Reference
from ...utils.progress import ProgressCounter
from .appearance import STILL, Appearance, get_subject, render_appearance
from .parts import part_skeleton
from .prompt import SUBJECTS
from .subject import BODY, Skeleton, Subject, Surfels

FATNESS = 0.62  # height of the front against half a ball over the same outline
BACK = 0.85  # height of the back against the front
THICKEST = 0.30  # world units at the method's camera; broad bodies stay flatter than a ball
METHOD_EXTENT = 0.655  # half the visible height at the origin of the method's camera, world units
UPRIGHT = 35.0  # degrees; up to this elevation the body stands upright, above it leans so far less than the camera
FINEST = 1024  # cells a side
SHARPNESS = 0.8  # spacing of the cells against the requested spacing: texture is finer than shape
BACK_LIGHT = 0.86  # the back is a little darker
MIN_COVER = 0.12  # share of a cell the mask must cover: points sit in cells' middles, so the edge needs the next one
RIM = 0.012  # share of the image's side that counts as rim
WALL_TILT = 0.35  # how much a wall's normal leans towards its own side: thin parts are visible from there
MAX_EXAMPLE_MSE = 0.0012  # mean squared difference at 48 pixels (29 dB) below which an image is an example image
SWEEPS = 40  # relaxation sweeps per level of the pyramid
COARSEST = 12  # side at which the pyramid starts


def inflate(reference: Reference) -> Subject:
    """Make the subject of a reference, its front towards +z; the reference's own azimuth is left to the scene."""
    r = reference.camera
    camera = make_cameras(float(r.elevation), 0.0, float(r.radius), float(r.fovy))
    image, mask = reference.image.detach().cpu().float(), reference.mask.detach().cpu().float()
    points = _surfels(image, mask, camera, 0.02 * _extent(camera) / METHOD_EXTENT).points
    parts = part_skeleton(mask, camera, points)
    viewpoint = (float(r.radius), float(r.fovy), float(r.elevation))
    skeleton = Skeleton(points.amin(0), points.amax(0), None, (), *viewpoint, parts)
    return Subject("picture", lambda spacing: _surfels(image, mask, camera, spacing), skeleton)


def match_example(reference: Reference, progress: ProgressCounter | None = None) -> str | None:
    """Return the built-in subject whose example image this is, or None; progress counts the subjects."""
    r = reference.camera
    if abs(float(r.elevation)) > 0.5 or abs(float(r.radius) - 1.8) > 1e-3 or abs(float(r.fovy) - 40) > 1e-3:
        return None
    image, mask = reference.composite(48).cpu(), reference.mask_at(48).cpu()
    errors = {}
    for name in SUBJECTS:
        layers = _example(name)
        example = layers[:, :3] + 1 - layers[:, 3:]
        errors[name] = float((example - image).square().mean() + (layers[:, 3:] - mask).square().mean())
        if progress is not None:
            progress.advance(f"comparing the picture with the built-in {name}")
    best = min(errors, key=errors.get)
    return best if errors[best] < MAX_EXAMPLE_MSE else None


@lru_cache(maxsize=32)
def _example(name: str) -> Tensor:
    appearance = Appearance(get_subject(name), "reference", STILL)
    large = render_appearance(appearance, make_cameras(0.0, 0.0), torch.zeros(1), 96)
    return interpolate(large, (48, 48), mode="area")


def _extent(camera: Cameras) -> float:
    """Return half the visible height at the origin, world units."""
    return float(camera.radius) * tan(float(camera.fovy) * pi / 360)


def _surfels(image: Tensor, mask: Tensor, camera: Cameras, spacing: float) -> Surfels:
    """Sample the body: front and back sheet and the walls between cells of different height."""
    cells = min(FINEST, max(24, ceil(2 * _extent(camera) / (spacing * SHARPNESS))))
    colour, inside = _resampled(image, mask, cells)
    height = _height(inside, 2 * _extent(camera) / cells, THICKEST * _extent(camera) / METHOD_EXTENT)
    back = _back_colours(colour, inside)
    sheets = [
        _sheet(colour, height, 1.0, inside, camera, spacing),
        _sheet(back, height * BACK, -1.0, inside, camera, spacing),
    ]
    points, normals, colours = (torch.cat(parts) for parts in zip(*sheets, strict=True))
    return Surfels(points, normals, colours, torch.full((len(points),), BODY, dtype=torch.int8))


def _resampled(image: Tensor, mask: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """Return colours (1, 3, G, G), averaged by coverage, and the mask (1, 1, G, G) as 0 and 1."""
    cover = resize(mask, (cells, cells))
    colour = resize(image * mask, (cells, cells)) / cover.clamp_min(1e-4)
    inside = (cover > MIN_COVER).float()
    if not inside.any():  # everything is thinner than a cell
        inside = (cover >= cover.max()).float()
    return colour.clamp(0, 1), inside


def _height(inside: Tensor, cell: float, limit: float) -> Tensor:
    """Return the height (1, 1, G, G) in world units: round at the outline, never above `limit`."""
    height = poisson(inside).sqrt() * cell * FATNESS
    return limit * torch.tanh(height / limit)


def _back_colours(colour: Tensor, inside: Tensor) -> Tensor:
    """Spread the rim's colours inwards and smooth them: no face on the back."""
    cells = colour.shape[-1]
    reach = max(1, round(RIM * cells))
    deep = -max_pool2d(-inside, 2 * reach + 1, 1, reach)
    rim = inside * (1 - deep)
    back = push_pull(colour, rim if rim.any() else inside)
    return (masked_blur(back, inside, max(2, cells // 12)) * BACK_LIGHT).clamp(0, 1)


def _sheet(
    colour: Tensor, height: Tensor, side: float, inside: Tensor, camera: Cameras, spacing: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return one side of the body (+1 front, -1 back) as points, normals and colours (N, 3)."""
    h = pad(height, (1, 1, 1, 1))[0, 0]
    row, col = inside[0, 0].nonzero(as_tuple=True)
    here = h[1:-1, 1:-1][row, col]
    near = torch.stack((h[1:-1, 2:], h[1:-1, :-2], h[:-2, 1:-1], h[2:, 1:-1]))[:, row, col]  # right, left, up, down
    rays = _SheetRays(camera, height.shape[-1])
    smooth = rays.normals(row, col, near * side) * side
    cell, offset, normal = [torch.arange(len(here))], [here], [smooth]
    for direction, other in zip(rays.directions, near, strict=True):
        count = ((here - other) / spacing).floor().clamp_min(0).long()
        i = torch.arange(len(here)).repeat_interleave(count)
        step = torch.arange(len(i)) - (count.cumsum(0) - count)[i] + 1
        cell.append(i)
        offset.append(here[i] - step * ((here - other) / (count + 1).clamp_min(1))[i])
        normal.append(normalize(smooth[i] + WALL_TILT * direction, dim=1))
    cell, offset, normal = torch.cat(cell), torch.cat(offset), torch.cat(normal)
    return rays.points(row[cell], col[cell], offset * side), normal, colour[0][:, row, col].T[cell]


class _SheetRays:
    """The rays of a square image and the sheet they meet: upright, or leaning with a steep camera."""

    def __init__(self, camera: Cameras, cells: int) -> None:
        self.cells, self.cell = cells, 2 * tan(float(camera.fovy) * pi / 360) / cells
        origins, rays = pixel_rays(camera, (cells, cells))
        self.eye, self.rays = origins[0, 0], rays[0]
        right, up = camera_to_world(camera)[0, :3, :2].T
        self.directions = torch.stack((right, -right, up, -up))  # towards a cell's four neighbours
        elevation = float(camera.elevation)
        lean = (abs(elevation) - min(abs(elevation), UPRIGHT)) * (1 if elevation > 0 else -1) * pi / 180
        self.front = torch.tensor([0.0, sin(lean), cos(lean)])

    def _depth(self, ray: Tensor, offset: Tensor) -> Tensor:
        """Return the ray parameter at which the sheet, brought `offset` nearer, is met."""
        return -(self.eye @ self.front) / (ray @ self.front) - offset

    def points(self, row: Tensor, col: Tensor, offset: Tensor) -> Tensor:
        """Return world points (N, 3) on the rays of their cells."""
        ray = self.rays[row * self.cells + col]
        return self.eye + ray * self._depth(ray, offset)[:, None]

    def normals(self, row: Tensor, col: Tensor, near: Tensor) -> Tensor:
        """Return unit normals (N, 3) towards the eye, from the four neighbours' offsets (4, N)."""
        around = self.rays[row * self.cells + col] + self.cell * self.directions[:, None]
        right, left, up, down = (ray * self._depth(ray, o)[:, None] for ray, o in zip(around, near, strict=True))
        return normalize(torch.linalg.cross(right - left, up - down), dim=1)


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


def push_pull(colours: Tensor, known: Tensor) -> Tensor:
    """Spread colours (1, 3, G, G) smoothly from where known (1, 1, G, G) is 1; unlike fill_outwards, in shares."""
    levels = [(colours * known, known)]
    while levels[-1][1].shape[-1] > 1:
        c, w = levels[-1]
        size = (c.shape[-1] + 1) // 2
        levels.append((interpolate(c, (size, size), mode="area"), interpolate(w, (size, size), mode="area")))
    c, w = levels[-1]
    out = c / w.clamp_min(1e-6)
    for c, w in levels[-2::-1]:
        up = interpolate(out, c.shape[-2:], mode="bilinear", align_corners=False)
        share = w.clamp(0, 1)
        out = share * c / w.clamp_min(1e-6) + (1 - share) * up
    return out


def masked_blur(colours: Tensor, mask: Tensor, reach: int) -> Tensor:
    """Return the mean of the masked colours within about `reach` cells, three box passes."""
    kernel = 2 * (reach // 2) + 1
    c, w = colours * mask, mask
    for _ in range(3):
        c, w = (avg_pool2d(v, kernel, 1, kernel // 2, count_include_pad=True) for v in (c, w))
    return c / w.clamp_min(1e-6)
