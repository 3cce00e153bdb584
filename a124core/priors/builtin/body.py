"""A subject: coloured parts with limbs, turned into surfels. Light is baked into the colour, which is the albedo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, log2

import torch
from torch import Tensor

from .room import FOVY, RADIUS, crowding
from .surfaces import Lathe, Tube, turn

LIMBS = ("body", "head", "arm+", "arm-", "leg+", "leg-", "tail")  # + and -: the side of x it is on
BODY, HEAD, ARM_P, ARM_M, LEG_P, LEG_M, TAIL = range(7)
OPPOSITE = (BODY, HEAD, ARM_M, ARM_P, LEG_M, LEG_P, TAIL)

HEIGHT, REACH, CENTRE = 0.86, 0.46, -0.06  # standard size: height, largest distance from the axis, middle of the height
LARGE = 0.006  # world units; clouds finer than this have 50,000 points and more: only the last two are kept
ROOMY = 0.90  # share of the room (room.py) that a subject may fill while it stands still
KEY_LIGHT = (-0.45, 0.68, 0.58)  # from the viewer's upper left, in front
SKY, GROUND, KEY = 0.76, 0.56, 0.30  # light from above, from below, from the key light
OCCLUSION = 0.55  # how dark the creases are


@dataclass(frozen=True)
class Paint:
    """Whatever of a part lies inside this ellipsoid gets another colour."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    colour: tuple[float, float, float]
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Part:
    """One closed surface of one limb."""

    surface: Lathe | Tube
    colour: tuple[float, float, float]
    limb: int = BODY
    paints: tuple[Paint, ...] = ()
    glow: float = 0.0  # 1: takes no light and no shade


@dataclass(frozen=True)
class Surfels:
    """Oriented coloured points of a surface at time 0."""

    points: Tensor  # (N, 3) world units, front towards +z
    normals: Tensor  # (N, 3) outward unit
    colours: Tensor  # (N, 3) in [0, 1]
    limb: Tensor  # (N,) int8, index into LIMBS

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True)
class Frame:
    """What a motion knows of a subject's build."""

    low: Tensor  # (3,) corner of the bounding box
    high: Tensor  # (3,)
    pivots: Tensor | None  # (7, 3) where each limb turns; None: no limbs, soft regions of the box are used
    limbs: tuple[int, ...] = ()  # limbs that exist
    radius: float = RADIUS  # the camera whose picture it has to stay in
    fovy: float = FOVY


@dataclass(frozen=True, eq=False)
class Subject:
    """A named thing that can be sampled at any spacing."""

    name: str
    build: Callable[[float], Surfels]  # from a spacing; called through surfels(), which caches
    frame: Frame

    def surfels(self, spacing: float) -> Surfels:
        """Points at most `spacing` apart; spacings are rounded down to powers of 2^(1/16) so that they are shared."""
        level = ceil(-16 * log2(spacing) - 1e-6)
        return (_large if spacing < LARGE else _small)(self, level)


@lru_cache(maxsize=64)
def _small(subject: Subject, level: int) -> Surfels:
    return subject.build(2.0 ** (-level / 16))


@lru_cache(maxsize=2)
def _large(subject: Subject, level: int) -> Surfels:
    return subject.build(2.0 ** (-level / 16))


def mirrored(part: Part) -> Part:
    """The same part on the other side of x = 0, limb included."""
    flip = torch.tensor([-1.0, 1.0, 1.0])
    s = part.surface
    if isinstance(s, Tube):
        s = replace(s, path=s.path * flip)
    else:
        s = replace(s, centre=(-s.centre[0], *s.centre[1:]), tilt=(s.tilt[0], -s.tilt[1], -s.tilt[2]))
    paints = tuple(
        replace(p, centre=(-p.centre[0], *p.centre[1:]), tilt=(p.tilt[0], -p.tilt[1], -p.tilt[2])) for p in part.paints
    )
    return replace(part, surface=s, limb=OPPOSITE[part.limb], paints=paints)


def both(*parts: Part) -> tuple[Part, ...]:
    """Each part and its mirror image."""
    return tuple(q for p in parts for q in (p, mirrored(p)))


def subject_of(name: str, parts: tuple[Part, ...], pivots: dict[int, tuple], yaw: float = 0.0) -> Subject:
    """Join parts into a subject of standard size and place; yaw (degrees) turns it before it is lit."""
    spin = turn((0, yaw, 0))
    sketch = assemble(parts, 0.02, spin, 1.0, torch.zeros(3))
    low, high = sketch.points.amin(0), sketch.points.amax(0)
    wide = sketch.points[:, ::2].norm(dim=1).amax()
    scale = float(min(HEIGHT / (high[1] - low[1]), REACH / wide))
    for _ in range(3):  # wide feet near the camera: a little smaller, until it stands well inside the picture
        offset = torch.tensor([0.0, CENTRE - float(low[1] + high[1]) / 2 * scale, 0.0])
        scale *= min(1.0, ROOMY / crowding(sketch.points * scale + offset))
    offset = torch.tensor([0.0, CENTRE - float(low[1] + high[1]) / 2 * scale, 0.0])
    table = torch.zeros(len(LIMBS), 3)
    for limb, at in pivots.items():
        table[limb] = torch.tensor(at, dtype=torch.float32)
    frame = Frame(low * scale + offset, high * scale + offset, table @ spin.T * scale + offset, tuple(pivots))
    return Subject(name, lambda spacing: assemble(parts, spacing / scale, spin, scale, offset), frame)


def assemble(parts: tuple[Part, ...], spacing: float, spin: Tensor, scale: float, offset: Tensor) -> Surfels:
    """Sample every part, drop what lies inside another part of the same limb, paint, light, turn and place."""
    balls = torch.cat([p.surface.spheres() for p in parts])
    owner = torch.arange(len(parts)).repeat_interleave(3)
    points, normals, colours, limbs = [], [], [], []
    for index, part in enumerate(parts):
        x, n = part.surface.sample(spacing)
        keep = _outside(x, part, parts)
        x, n = x[keep], n[keep]
        shade = light(x, n @ spin.T, n, balls[owner != index])
        colour = painted(x, part) * torch.lerp(shade, torch.ones_like(shade), part.glow)
        points.append(x @ spin.T * scale + offset)
        normals.append(n @ spin.T)
        colours.append(colour.clamp(0, 1))
        limbs.append(torch.full((len(x),), part.limb, dtype=torch.int8))
    return Surfels(torch.cat(points), torch.cat(normals), torch.cat(colours), torch.cat(limbs))


def _outside(x: Tensor, part: Part, parts: tuple[Part, ...]) -> Tensor:
    """(N,) bool. Parts of other limbs may move away, so what they hide stays."""
    keep = torch.ones(len(x), dtype=torch.bool)
    for other in parts:
        if other is part or other.limb != part.limb:
            continue
        balls = other.surface.spheres() if isinstance(other.surface, Lathe) else None
        rest = keep.nonzero()[:, 0]
        if balls is not None:
            reach = _reach(other.surface)
            centre = torch.tensor(other.surface.centre)
            rest = rest[(x[rest] - centre).norm(dim=1) < reach]
        if len(rest):
            keep[rest[other.surface.inside(x[rest])]] = False
    return keep


def _reach(surface: Lathe) -> float:
    """Radius of a ball about the centre that holds the whole solid."""
    r, h = surface.profile.unbind(1)
    return float(((r * 2**0.5) ** 2 + h**2).sqrt().max())


def painted(x: Tensor, part: Part) -> Tensor:
    """(N, 3) colour of a part before light."""
    colour = torch.tensor(part.colour).expand(len(x), 3)
    for p in part.paints:
        local = (x - torch.tensor(p.centre)) @ turn(p.tilt) / torch.tensor(p.radii)
        edge = ((1 - local.norm(dim=1)) * min(p.radii) / 0.008 + 0.5).clamp(0, 1)[:, None]  # 8 mm soft edge
        colour = torch.lerp(colour, torch.tensor(p.colour).expand_as(colour), edge)
    return colour


def light(x: Tensor, turned_normals: Tensor, normals: Tensor, balls: Tensor) -> Tensor:
    """(N, 1) hemisphere and key light, darkened where other parts (balls (K, 4)) stand close in front."""
    key = torch.nn.functional.normalize(torch.tensor(KEY_LIGHT), dim=0)
    up = 0.5 + 0.5 * turned_normals[:, 1]
    shade = GROUND + (SKY - GROUND) * up + KEY * (turned_normals @ key).clamp_min(0)
    hidden = torch.zeros(len(x))
    for ball in balls:
        way = ball[:3] - x
        d2 = (way * way).sum(1)
        facing = ((way * normals).sum(1) / d2.sqrt().clamp_min(1e-6)).clamp_min(0)
        outside = (d2 > ball[3] ** 2).float()
        hidden += facing * (ball[3] ** 2 / d2.clamp_min(1e-8)).clamp_max(1) * outside
    return (shade * (-OCCLUSION * hidden).exp().clamp_min(0.55))[:, None]
