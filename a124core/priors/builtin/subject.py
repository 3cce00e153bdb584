"""A subject: coloured parts with limbs, turned into surfels. Light is baked into the colour, which is the albedo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2, pi, tan

import torch
from torch import Tensor

from ...cameras.rig import FOVY, RADIUS
from .puppet.parts import PartSkeleton
from .puppet.pieces import Pieces
from .surfaces import Lathe, Triple, Tube, euler_rotation

LIMBS = ("body", "head", "arm+", "arm-", "leg+", "leg-", "tail")  # + and -: the side of x it is on
BODY, HEAD, ARM_P, ARM_M, LEG_P, LEG_M, TAIL = range(7)
OPPOSITE = (BODY, HEAD, ARM_M, ARM_P, LEG_M, LEG_P, TAIL)

HEIGHT, REACH, CENTRE = 0.86, 0.46, -0.06  # standard size: height, largest distance from the axis, middle of the height
DENSE = 0.006  # world units; clouds finer than this have 50,000 points and more: only the last two stay cached
REST_EXTENT = 0.90  # view_extent that a subject may have while it stands still
VISIBLE_BOX = 0.62  # world units at the method's camera: no point leaves |x|, |y|, |z| < VISIBLE_BOX while it moves
MARGIN = 0.955  # share of the image's half side that points may use: a rim of one pixel in 48 stays free
KEY_LIGHT = (-0.45, 0.68, 0.58)  # from the viewer's upper left, in front
SKY, GROUND, KEY = 0.76, 0.56, 0.30  # light from above, from below, from the key light
OCCLUSION = 0.55  # how dark the creases are


@dataclass(frozen=True)
class Paint:
    """Whatever of a part lies inside this ellipsoid gets another colour."""

    centre: Triple
    radii: Triple
    colour: Triple
    tilt: Triple = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Part:
    """One closed surface of one limb."""

    surface: Lathe | Tube
    colour: Triple
    limb: int = BODY
    paints: tuple[Paint, ...] = ()
    unlit: float = 0.0  # 1: takes no light and no shade


@dataclass(frozen=True)
class Surfels:
    """Oriented coloured points of a surface at time 0."""

    points: Tensor  # (N, 3) world units, front towards +z
    normals: Tensor  # (N, 3) outward unit
    colours: Tensor  # (N, 3) in [0, 1]
    limb: Tensor  # (N,) int8, index into LIMBS


@dataclass(frozen=True)
class Skeleton:
    """The box, the joints and the camera that a motion is fitted to."""

    low: Tensor  # (3,) corner of the bounding box
    high: Tensor  # (3,)
    pivots: Tensor | None  # (7, 3) where each limb turns; None: no limbs, soft regions of the box are used
    limbs: tuple[int, ...] = ()  # limbs that exist
    radius: float = RADIUS  # the camera whose image it has to stay in
    fovy: float = FOVY
    elevation: float = 0.0  # degrees
    parts: PartSkeleton | None = None  # of a subject made from an image: what its outline shows
    pieces: Pieces | None = None  # of one made from several things: each moves as a whole
    is_stiff: bool = False  # one made from an image that does not bend


@dataclass(frozen=True, eq=False)
class Subject:
    """A named object that can be sampled at any spacing."""

    name: str
    build: Callable[[float], Surfels]  # from a spacing; called through surfels(), which caches
    skeleton: Skeleton

    def surfels(self, spacing: float) -> Surfels:
        """Return points at most `spacing` apart; spacings are rounded down to powers of 2^(1/16) to be shared."""
        level = ceil(-16 * log2(spacing) - 1e-6)
        return (_dense if spacing < DENSE else _sparse)(self, level)


def _build(subject: Subject, level: int) -> Surfels:
    return subject.build(2.0 ** (-level / 16))


_sparse, _dense = lru_cache(maxsize=64)(_build), lru_cache(maxsize=2)(_build)


def view_extent(points: Tensor, radius: float = RADIUS, fovy: float = FOVY) -> float:
    """Measure how far points (..., 3) reach; 1: the edge of the visible box, or of a level image from front or side."""
    half = tan(fovy * pi / 360)
    box = min(0.95, VISIBLE_BOX * radius * half / (RADIUS * tan(FOVY * pi / 360)))
    x, y, z = points.unbind(-1)
    extent = float(points.abs().max()) / box
    for across, toward in ((x, z), (z, x), (z, -x)):
        wide = across.abs().maximum(y.abs()) / (radius - toward).clamp_min(0.05)
        extent = max(extent, float(wide.max()) / (half * MARGIN))
    return extent


def mirrored(part: Part) -> Part:
    """Return the same part on the other side of x = 0, limb included."""
    s = part.surface
    if isinstance(s, Tube):
        s = replace(s, path=s.path * torch.tensor([-1.0, 1.0, 1.0]))
    else:
        s = _mirrored_placement(s)
    paints = tuple(_mirrored_placement(p) for p in part.paints)
    return replace(part, surface=s, limb=OPPOSITE[part.limb], paints=paints)


def _mirrored_placement(solid: Lathe | Paint) -> Lathe | Paint:
    (x, *yz), (a, b, c) = solid.centre, solid.tilt
    return replace(solid, centre=(-x, *yz), tilt=(a, -b, -c))


def both(*parts: Part) -> tuple[Part, ...]:
    """Return each part and its mirror image."""
    return tuple(q for p in parts for q in (p, mirrored(p)))


def build_subject(name: str, parts: tuple[Part, ...], pivots: dict[int, tuple], yaw: float = 0.0) -> Subject:
    """Join parts into a subject of standard size and position; yaw (degrees) turns it before it is lit.

    pivots are where limbs turn; a limb's opposite turns at the mirrored point.
    """
    rotation = euler_rotation((0, yaw, 0))
    sketch = assemble(parts, 0.02, rotation, 1.0, torch.zeros(3))
    low, high = sketch.points.amin(0), sketch.points.amax(0)
    wide = sketch.points[:, ::2].norm(dim=1).amax()
    scale = float(min(HEIGHT / (high[1] - low[1]), REACH / wide))
    for _ in range(3):  # wide feet near the camera: a little smaller, until it stands well inside the image
        offset = torch.tensor([0.0, CENTRE - float(low[1] + high[1]) / 2 * scale, 0.0])
        scale *= min(1.0, REST_EXTENT / view_extent(sketch.points * scale + offset))
    offset = torch.tensor([0.0, CENTRE - float(low[1] + high[1]) / 2 * scale, 0.0])
    pivots = {OPPOSITE[limb]: (-x, y, z) for limb, (x, y, z) in pivots.items()} | pivots
    joints = torch.zeros(len(LIMBS), 3)
    joints[list(pivots)] = torch.tensor(list(pivots.values()), dtype=torch.float32)
    joints = joints @ rotation.T * scale + offset
    skeleton = Skeleton(low * scale + offset, high * scale + offset, joints, tuple(pivots))
    return Subject(name, lambda spacing: assemble(parts, spacing / scale, rotation, scale, offset), skeleton)


def assemble(parts: tuple[Part, ...], spacing: float, rotation: Tensor, scale: float, offset: Tensor) -> Surfels:
    """Sample every part, drop points inside another part of the same limb, paint, light, turn and place it."""
    occluders = torch.cat([p.surface.occluders() for p in parts])
    owner = torch.arange(len(parts)).repeat_interleave(3)
    points, normals, colours, limbs = [], [], [], []
    for index, part in enumerate(parts):
        x, n = part.surface.sample(spacing)
        exposed = _outside(x, part, parts)
        x, n = x[exposed], n[exposed]
        shade = light(x, n @ rotation.T, n, occluders[owner != index])
        colour = painted(x, part) * torch.lerp(shade, torch.ones_like(shade), part.unlit)
        points.append(x @ rotation.T * scale + offset)
        normals.append(n @ rotation.T)
        colours.append(colour.clamp(0, 1))
        limbs.append(torch.full((len(x),), part.limb, dtype=torch.int8))
    return Surfels(torch.cat(points), torch.cat(normals), torch.cat(colours), torch.cat(limbs))


def _outside(x: Tensor, part: Part, parts: tuple[Part, ...]) -> Tensor:
    """Test which points (N,) no other part of the same limb holds; other limbs may move away and show them."""
    outside = torch.ones(len(x), dtype=torch.bool)
    for other in parts:
        if other is part or other.limb != part.limb:
            continue
        rest = outside.nonzero()[:, 0]
        if isinstance(other.surface, Lathe):
            rest = rest[(x[rest] - torch.tensor(other.surface.centre)).norm(dim=1) < _bounding_radius(other.surface)]
        if len(rest):
            outside[rest[other.surface.inside(x[rest])]] = False
    return outside


def _bounding_radius(surface: Lathe) -> float:
    r, h = surface.profile.unbind(1)
    return float(((r * 2**0.5) ** 2 + h**2).sqrt().max())


def painted(x: Tensor, part: Part) -> Tensor:
    """Return the colours (N, 3) of a part before light."""
    colour = torch.tensor(part.colour).expand(len(x), 3)
    for p in part.paints:
        local = (x - torch.tensor(p.centre)) @ euler_rotation(p.tilt) / torch.tensor(p.radii)
        edge = ((1 - local.norm(dim=1)) * min(p.radii) / 0.008 + 0.5).clamp(0, 1)[:, None]  # 0.008 wide, soft
        colour = torch.lerp(colour, torch.tensor(p.colour).expand_as(colour), edge)
    return colour


def light(x: Tensor, turned_normals: Tensor, normals: Tensor, occluders: Tensor) -> Tensor:
    """Return hemisphere and key light (N, 1), darkened where occluders (K, 4) of other parts stand close in front."""
    key = torch.nn.functional.normalize(torch.tensor(KEY_LIGHT), dim=0)
    up = 0.5 + 0.5 * turned_normals[:, 1]
    shade = GROUND + (SKY - GROUND) * up + KEY * (turned_normals @ key).clamp_min(0)
    hidden = torch.zeros(len(x))
    for occluder in occluders:
        toward = occluder[:3] - x
        d2 = (toward * toward).sum(1)
        facing = ((toward * normals).sum(1) / d2.sqrt().clamp_min(1e-6)).clamp_min(0)
        outside = (d2 > occluder[3] ** 2).float()
        hidden += facing * (occluder[3] ** 2 / d2.clamp_min(1e-8)).clamp_max(1) * outside
    return (shade * (-OCCLUSION * hidden).exp().clamp_min(0.55))[:, None]
