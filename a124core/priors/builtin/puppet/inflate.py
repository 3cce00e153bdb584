"""Inflate a cut-out image to a solid: the image on its front, its texture on its sides and back.

Every point lies on the ray of its own pixel, so the reference camera sees the image again, whatever its pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, floor, log2, pi, sin, tan
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import interpolate, max_pool2d, normalize, pad

from ....cameras.rig import camera_to_world, make_cameras, pixel_rays
from ....protocols import Cameras
from ....reference.layers import resize
from ....reference.reference import Reference
from ....utils.progress import ProgressCounter
from ..appearance import STILL, Appearance, get_subject, render_appearance
from ..prompt import SUBJECTS
from ..subject import BODY, Skeleton, Subject, Surfels
from .parts import is_creature, part_skeleton
from .pieces import find_pieces
from .stiffness import is_stiff

if TYPE_CHECKING:
    from .solid import Solid

METHOD_EXTENT = 0.655  # half the visible height at the origin of the method's camera, world units
UPRIGHT = 35.0  # degrees; up to this elevation the body stands upright, above it leans so far less than the camera
FINEST = 1024  # cells a side
TEXTURE_SIDE = 512  # largest side of the textures of sides and back
ROUNDED = 2 ** (1 / 16)  # by which spacings are rounded down at most, see Subject.surfels
STEEP = 0.7  # largest step in depth between neighbours, share of the spacing: a slope is sampled as finely as a plane
SEVERAL = 3  # pieces from which each moves as a whole, although one has a head or legs
BACK_LIGHT = 0.9  # the middle of the back is a little darker
MIN_COVER = 0.05  # share of a cell the mask must cover: points sit in cells' middles, so the edge needs the next one
MIN_THIN_COVER = 0.25  # share of a cell that a line must cover to be drawn two cells wide, the least that is visible
RIM, RIM_TILT = 0.012, 2.0  # share of the image's side whose front leans inwards, and how much: hidden from the side
WALL_TILT = 0.35  # how much a wall's normal leans towards its own side: thin parts are visible from there
MAX_EXAMPLE_MSE = 0.0012  # mean squared difference at 48 pixels (29 dB) below which an image is an example image


@dataclass(frozen=True)
class Textures:
    """Colours of a solid's front, sides and back, as its reference camera sees them, and its silhouette."""

    front: Tensor  # (1, 3, S, S)
    side: Tensor  # (1, 3, T, T)
    back: Tensor  # (1, 3, T, T)
    mask: Tensor  # (1, 1, S, S), soft


def inflate(reference: Reference) -> Subject:
    """Make the subject of a reference, its front towards +z; the reference's own azimuth is left to the scene."""
    from .solid import make_solid  # which loads scipy

    r = reference.camera
    camera = make_cameras(float(r.elevation), 0.0, float(r.radius), float(r.fovy))
    image, mask = reference.image.detach().cpu().float(), reference.mask.detach().cpu().float()
    textures = make_textures(image, mask)
    solid = make_solid(mask, None if reference.depth is None else reference.depth.detach().cpu().float())
    points = _surfels(textures, solid, camera, 0.02 * _extent(camera) / METHOD_EXTENT).points
    stiff = is_stiff(mask)
    parts = None if stiff else part_skeleton(mask, camera, points)
    viewpoint = (float(r.radius), float(r.fovy), float(r.elevation))
    pieces = find_pieces(mask, camera, points)
    if pieces is not None and len(pieces) < SEVERAL and parts is not None and is_creature(parts.roles):
        pieces = None
    parts = None if pieces is not None else parts
    skeleton = Skeleton(points.amin(0), points.amax(0), None, (), *viewpoint, parts, pieces, stiff and pieces is None)
    return Subject("picture", lambda spacing: _surfels(textures, solid, camera, spacing), skeleton)


def make_textures(image: Tensor, mask: Tensor) -> Textures:  # (1, 3, S, S), (1, 1, S, S)
    """Make the textures of an image's sides and back."""
    from .back import back_colours, strengthened  # which load scipy
    from .rim import turned_rim

    side = min(TEXTURE_SIDE, image.shape[-1])
    cover = resize(mask, (side, side))
    small = resize(image * mask, (side, side)) / cover.clamp_min(1e-4)
    inside = (cover > min(0.5, float(cover.max()) / 2)).float()
    small = torch.where(cover > 0, small, resize(image, (side, side)))
    coat = back_colours(small, inside)
    turned, share = turned_rim(coat, inside)
    back = strengthened(coat, small, inside)
    return Textures(image, torch.lerp(coat, turned, share), torch.lerp(back, turned, share), mask)


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


def _surfels(textures: Textures, solid: Solid, camera: Cameras, spacing: float) -> Surfels:
    """Sample the solid: front and back sheet and the walls between cells of different height."""
    cells = min(FINEST, _cell_count(2 * _extent(camera) / spacing))
    inside, front = _resampled(textures, cells)
    scale = 2 * _extent(camera)
    near, far = (scale * height for height in solid.heights(inside))
    side, back = (resize(image, (cells, cells)) for image in (textures.side, textures.back))
    share = far[:, :, 1:-1, 1:-1] / far.max().clamp_min(1e-6)
    back = back * (1 - (1 - BACK_LIGHT) * share.clamp_min(0))
    sheets = [
        _sheet(near, 1.0, inside, (front, side), _SheetRays(camera, cells)),
        _sheet(far, -1.0, inside, (back, back), _SheetRays(camera, cells)),
    ]
    points, normals, colours = (torch.cat(parts) for parts in zip(*sheets, strict=True))
    return Surfels(points, normals, colours.clamp(0, 1), torch.full((len(points),), BODY, dtype=torch.int8))


def _cell_count(requested: float) -> int:
    """Return the roundest number of cells from which `requested` may be rounded up: twice an image's size as a rule."""
    most = max(24, floor(requested + 1e-3))
    step = 2 ** floor(log2(most))
    while step > 1 and most // step * step * ROUNDED < requested:
        step //= 2
    return most // step * step


def _resampled(textures: Textures, cells: int) -> tuple[Tensor, Tensor]:
    """Return the mask (1, 1, G, G) as 0 and 1, and the front's colours (1, 3, G, G), averaged by coverage."""
    cover = resize(textures.mask, (cells, cells))
    front = resize(textures.front * textures.mask, (cells, cells)) / cover.clamp_min(1e-4)
    inside = (cover > min(MIN_COVER, float(cover.max()) / 2)).float()
    block = -max_pool2d(-inside, 2, 1)
    thin = inside * (cover > MIN_THIN_COVER) * (1 - max_pool2d(pad(block, (1, 1, 1, 1)), 2, 1))
    wider = max_pool2d(pad(thin, (1, 0, 1, 0)), 2, 1).maximum(inside)
    front = torch.where(cover > 1e-4, front, resize(textures.front, (cells, cells)))
    return wider, front


def _sheet(
    height: Tensor,  # (1, 1, G + 2, G + 2)
    side: float,  # +1 front, -1 back
    inside: Tensor,  # (1, 1, G, G) of 0 and 1
    colours: tuple[Tensor, Tensor],  # (1, 3, G, G) of the sheet and of the walls
    rays: _SheetRays,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return one side of the solid as points, normals and colours (N, 3)."""
    h = height[0, 0]
    row, col = inside[0, 0].nonzero(as_tuple=True)
    here = h[1:-1, 1:-1][row, col]
    near = torch.stack((h[1:-1, 2:], h[1:-1, :-2], h[:-2, 1:-1], h[2:, 1:-1]))[:, row, col]  # right, left, up, down
    smooth = rays.normals(row, col, near * side) * side
    reach = max(1, round(RIM * rays.cells))
    rim = -max_pool2d(-inside, 2 * reach + 1, 1, reach)[0, 0][row, col] < 1
    rim = rim.nonzero()[:, 0] if side > 0 else rim.new_empty(0, dtype=torch.long)
    own = smooth.index_copy(0, rim, _turned_inwards(smooth[rim], rays.towards_eye(row[rim], col[rim])))
    cell, normal = [torch.arange(len(here)), rim], [own, smooth[rim]]
    offset = [here, here[rim] - rays.spacing / 2]  # what is seen of the rim from the side
    for direction, other in zip(rays.directions, near, strict=True):
        count = ((here - other) / (STEEP * rays.spacing)).floor().clamp_min(0).long()
        i = torch.arange(len(here)).repeat_interleave(count)
        step = torch.arange(len(i)) - (count.cumsum(0) - count)[i] + 1
        cell.append(i)
        offset.append(here[i] - step * ((here - other) / (count + 1).clamp_min(1))[i])
        normal.append(normalize(smooth[i] + WALL_TILT * direction, dim=1))
    cell, offset, normal = torch.cat(cell), torch.cat(offset), torch.cat(normal)
    walls = cell[len(here) :]
    drop = (here[walls] - offset[len(here) :]) / rays.spacing
    outwards = normalize(smooth[walls] @ torch.stack((rays.directions[0], rays.directions[2]), 1), dim=1)
    inner = _inner_cells(inside[0, 0], (row[walls], col[walls]), outwards * drop[:, None])
    colour = torch.cat((colours[0][0][:, row, col].T, colours[1][0][:, inner[0], inner[1]].T))
    return rays.points(row[cell], col[cell], offset * side), normal, colour


def _inner_cells(inside: Tensor, cells: tuple[Tensor, Tensor], back: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cells (row and column) that lie steps `back` (N, 2), right and up, inwards: a texture folded over an
    edge as long as it is; the cells themselves where that is outside."""
    last = len(inside) - 1
    row = (cells[0] + back[:, 1].round().long()).clamp(0, last)
    col = (cells[1] - back[:, 0].round().long()).clamp(0, last)
    held = inside[row, col] > 0
    return torch.where(held, row, cells[0]), torch.where(held, col, cells[1])


def _turned_inwards(normals: Tensor, eye: Tensor) -> Tensor:  # (N, 3) unit each
    """Return normals that face the eye and lean away from the outline: an image's rim is seen from its front alone."""
    across = normalize(normals - (normals * eye).sum(1, keepdim=True) * eye, dim=1)
    return normalize(eye - RIM_TILT * across, dim=1)


class _SheetRays:
    """The rays of a square image and the sheet they meet: upright, or leaning with a steep camera."""

    def __init__(self, camera: Cameras, cells: int) -> None:
        self.cells, self.cell = cells, 2 * tan(float(camera.fovy) * pi / 360) / cells
        self.spacing = 2 * _extent(camera) / cells  # world units
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

    def towards_eye(self, row: Tensor, col: Tensor) -> Tensor:
        """Return unit vectors (N, 3) along the cells' rays, towards the eye."""
        return -normalize(self.rays[row * self.cells + col], dim=1)

    def normals(self, row: Tensor, col: Tensor, near: Tensor) -> Tensor:
        """Return unit normals (N, 3) towards the eye, from the four neighbours' offsets (4, N)."""
        around = self.rays[row * self.cells + col] + self.cell * self.directions[:, None]
        right, left, up, down = (ray * self._depth(ray, o)[:, None] for ray, o in zip(around, near, strict=True))
        return normalize(torch.linalg.cross(right - left, up - down), dim=1)
