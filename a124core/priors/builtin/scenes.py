"""The subjects by name, how far each may move, and pictures of them: one look is a subject, a palette and a motion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from torch import Tensor

from ...cameras.rig import make_cameras
from ...protocols import Cameras
from . import animals, things
from .body import Subject
from .motions import move
from .palettes import coloured
from .recipe import TICKS
from .room import crowding
from .splat import spacing_for, splat
from .store import Store
from .warps import Oriented
from .words import SUBJECTS

STILL = "still"
MIN_GAIN = 0.3  # a motion is never made smaller than this share, even if it leaves the picture
POINT_SCALE = 2**14  # 16-bit coordinates: steps of 6e-5 in -2 .. 2
POINTS_AT_ONCE = 150_000  # points drawn in one batch: stays in the processor's cache


@dataclass(frozen=True)
class Look:
    """What can be photographed."""

    subject: Subject
    palette: str
    motion: str


@cache
def subject_named(name: str) -> Subject:
    """A primitive subject; the same object every time."""
    if name not in SUBJECTS:
        raise ValueError(f"subject is {name!r}: use one of {', '.join(SUBJECTS)}.")
    return getattr(animals if hasattr(animals, name) else things, name)()


@lru_cache(maxsize=1024)
def gain_of(subject: Subject, motion: str) -> float:
    """The largest share of a motion's travel, MIN_GAIN to 1, that stays in the box and in a level camera's picture."""
    frame = subject.frame
    surfels = subject.surfels(0.05 * frame.radius / 1.8)
    times = torch.linspace(0, 1, 33)

    def reach(gain: float) -> float:
        o = move(motion, surfels.points, surfels.normals, surfels.limb, times, frame, gain)
        return crowding(o.points, frame.radius, frame.fovy)

    limit = max(1.0, crowding(surfels.points, frame.radius, frame.fovy), reach(MIN_GAIN)) + 1e-4

    def fits(gain: float) -> bool:
        return reach(gain) <= limit

    low, high = MIN_GAIN, 1.0
    if fits(high):
        return high
    for _ in range(6):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def draw(
    look: Look,
    cameras: Cameras,  # B, in the world of the subject: azimuth 0 sees its front
    time: Tensor,  # (B,)
    size: int,
    normals: bool = False,
    clouds: Store | None = None,
) -> Tensor:  # (B, 4 or 7, size, size): premultiplied colour, alpha, premultiplied normal in the subject's world
    """Photograph a look, in batches. `clouds` keeps moved points for the next camera."""
    spacing = spacing_for(size, float(cameras.radius.min()), float(cameras.fovy.min()))
    colours = coloured(look.subject, spacing, look.palette)
    chunk = max(1, POINTS_AT_ONCE // len(colours))
    out = []
    for first in range(0, len(time), chunk):
        part = slice(first, first + chunk)
        points, turned = moved(look, spacing, time[part], clouds)
        channels = torch.cat((colours.expand(len(points), -1, -1), turned.transpose(1, 2)), -1) if normals else colours
        image, alpha = splat(points, turned, channels, cameras[part], size)
        out.append(torch.cat((image[:, :3], alpha, image[:, 3:]), 1))
    return torch.cat(out)


def moved(look: Look, spacing: float, time: Tensor, clouds: Store | None) -> tuple[Tensor, Tensor]:
    """Points and normals (B, 3, N) of a look at each time. At ticks they are kept as 16 and 8 bit numbers."""
    subject, motion = look.subject, look.motion
    if motion == STILL:
        s = subject.surfels(spacing)
        return s.points.T.expand(len(time), -1, -1), s.normals.T.expand(len(time), -1, -1)
    ticks = (time * TICKS).round()
    if clouds is None or ((time * TICKS - ticks).abs() > 1e-3).any():
        o = _move(subject, motion, spacing, time)
        return o.points.transpose(1, 2).contiguous(), o.normals.transpose(1, 2).contiguous()
    kept = [_moved_at(subject, motion, spacing, int(k), clouds) for k in ticks]
    points = torch.stack([k[0] for k in kept]).float() * (1 / POINT_SCALE)
    return points, torch.stack([k[1] for k in kept]).float() * (1 / 127)


def _moved_at(subject: Subject, motion: str, spacing: float, tick: int, clouds: Store) -> tuple[Tensor, ...]:
    key = (subject, motion, spacing, tick)
    found = clouds.get(key)
    if found is None:
        o = _move(subject, motion, spacing, torch.tensor([tick / TICKS]))
        points = (o.points[0].T * POINT_SCALE).round().clamp(-32767, 32767).to(torch.int16).contiguous()
        found = (points, (o.normals[0].T * 127).round().to(torch.int8).contiguous())
        clouds.put(key, *found)
    return found


def _move(subject: Subject, motion: str, spacing: float, time: Tensor) -> Oriented:
    s = subject.surfels(spacing)
    return move(motion, s.points, s.normals, s.limb, time, subject.frame, gain_of(subject, motion))


def turned_to_subject(cameras: Cameras, azimuth: float) -> Cameras:
    """World cameras -> the subject's own world, whose azimuth 0 is the reference camera's `azimuth`."""
    return make_cameras(
        cameras.elevation.cpu(), cameras.azimuth.cpu() - azimuth, cameras.radius.cpu(), cameras.fovy.cpu()
    )
