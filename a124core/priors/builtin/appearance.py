"""An appearance is a subject in one palette under one motion: its surfels at any time, rendered from any camera."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache, lru_cache
from math import pi, tan

import torch
from torch import Tensor

from ...cameras.rig import camera_to_world, make_cameras
from ...kernels import splat_points
from ...kernels.torch_impl.points import SUPERSAMPLE
from ...protocols import Cameras
from .animals import ANIMALS
from .fit import fitting_manner, motion_gain
from .motions import AS_USUAL, move
from .objects import OBJECTS
from .pose import Manner
from .prompt import SUBJECTS
from .subject import Subject, Surfels
from .warps import OrientedPoints

STILL = "still"
TICKS = 64  # scene times k / TICKS are cached: those of the preset demo
POINT_SCALE = 2**14  # 16-bit coordinates: steps of 6e-5 in -2 .. 2
POINTS_AT_ONCE = 150_000  # points rendered in one batch: stays in the processor's cache
STEP = 1.0  # spacing of the points in supersampled pixels at the origin; a 3x3 window bridges 2.1

PALETTES = ("reference", "drifted")  # the reference colours, and those that the video prior renders
DRIFT = 0.13  # mean |dRGB| over the object between the two palettes; 0.10 to 0.16 is promised
HUE_TURN = -60.0  # degrees at amount 1: yellow goes to orange, green to yellow, blue to teal
TINT_SHARE = 0.35  # grey has no hue to turn: everything leans a little to the tint that is farthest from it
TINTS = torch.tensor([[0.95, 0.55, 0.45], [0.40, 0.65, 0.95], [0.95, 0.85, 0.35], [0.60, 0.40, 0.85]])
DRIFT_SPACING = 0.02  # world units; spacing of the points by which the drift is measured


class TensorCache:
    """Tensors by key, up to a limit in bytes; those put in first go first. It changes only how long a result takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # bytes
        self.size = 0  # bytes
        self._entries: dict[Hashable, tuple[Tensor, ...]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> tuple[Tensor, ...] | None:
        """Return the tensors under a key, or None."""
        return self._entries.get(key)

    def put(self, key: Hashable, *tensors: Tensor) -> None:
        """Store tensors that own their memory: a slice would keep its whole batch alive."""
        self.size += _bytes(tensors) - _bytes(self._entries.pop(key, ()))
        self._entries[key] = tensors
        while self.size > self.limit and len(self._entries) > 1:
            self.size -= _bytes(self._entries.pop(next(iter(self._entries))))


def _bytes(tensors: tuple[Tensor, ...]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors)


@dataclass(frozen=True)
class Appearance:
    """A subject in one palette under one motion."""

    subject: Subject
    palette: str
    motion: str
    manner: Manner = AS_USUAL


@cache
def get_subject(name: str) -> Subject:
    """Return a built-in subject; the same object every time."""
    if name not in SUBJECTS:
        raise ValueError(f"subject is {name!r}: use one of {', '.join(SUBJECTS)}.")
    return (ANIMALS | OBJECTS)[name]()


@lru_cache(maxsize=32)
def palette_colours(subject: Subject, spacing: float, palette: str) -> Tensor:
    """Return the colours (N, 3) of subject.surfels(spacing) in a palette."""
    colours = subject.surfels(spacing).colours
    return colours if palette == "reference" else shift_colours(colours, *_drift(subject))


def shift_colours(colours: Tensor, amount: float, tint: Tensor) -> Tensor:
    """Turn the hue about the grey axis and blend towards a tint (3,), both by `amount`."""
    angle = torch.tensor(HUE_TURN * amount * pi / 180)
    axis = torch.full((3,), 3**-0.5)
    across = torch.linalg.cross(axis.expand_as(colours), colours)
    along = (colours @ axis)[..., None] * axis
    turned = colours * angle.cos() + across * angle.sin() + along * (1 - angle.cos())
    return torch.lerp(turned, tint.expand_as(colours), TINT_SHARE * amount).clamp(0, 1)


@lru_cache(maxsize=64)
def _drift(subject: Subject) -> tuple[float, Tensor]:
    """Find the amount at which the mean |dRGB| over front and back is DRIFT, and the tint, far from the mean colour."""
    surfels = subject.surfels(DRIFT_SPACING)
    z = surfels.normals[:, 2]
    weight = torch.where(z > 0, 2 * z, -z)  # the area that front and back show; the front counts twice
    colours = surfels.colours
    mean = (colours * weight[:, None]).sum(0) / weight.sum()
    tint = TINTS[(TINTS - mean).square().sum(1).argmax()]
    low, high = 0.0, 2.0
    for _ in range(20):
        amount = (low + high) / 2
        change = (shift_colours(colours, amount, tint) - colours).abs().mean(1)
        drift = float((change * weight).sum() / weight.sum())
        low, high = (amount, high) if drift < DRIFT else (low, amount)
    return amount, tint


def render_appearance(
    appearance: Appearance,
    cameras: Cameras,  # B, in the subject's own frame: azimuth 0 is its front
    time: Tensor,  # (B,)
    size: int,
    normals: bool = False,
    point_cache: TensorCache | None = None,  # keeps moved points for the next camera
) -> Tensor:  # (B, 4 or 7, size, size): premultiplied colour, alpha, premultiplied normal in the subject's frame
    """Render an appearance, in batches."""
    spacing = surfel_spacing(size, float(cameras.radius.min()), float(cameras.fovy.min()))
    colours = palette_colours(appearance.subject, spacing, appearance.palette)
    chunk = max(1, POINTS_AT_ONCE // len(colours))
    out = []
    for first in range(0, len(time), chunk):
        part = slice(first, first + chunk)
        points, turned = animated_points(appearance, spacing, time[part], point_cache)
        channels = torch.cat((colours.expand(len(points), -1, -1), turned.transpose(1, 2)), -1) if normals else colours
        image, alpha = splat(points, turned, channels, cameras[part], size)
        out.append(torch.cat((image[:, :3], alpha, image[:, 3:]), 1))
    return torch.cat(out)


def animated_points(
    appearance: Appearance, spacing: float, time: Tensor, point_cache: TensorCache | None = None
) -> tuple[Tensor, Tensor]:
    """Return points and normals (B, 3, N) at each time. At ticks they are cached as 16 and 8 bit numbers."""
    if appearance.motion == STILL:
        s = appearance.subject.surfels(spacing)
        return s.points.T.expand(len(time), -1, -1), s.normals.T.expand(len(time), -1, -1)
    ticks = (time * TICKS).round()
    if point_cache is None or ((time * TICKS - ticks).abs() > 1e-3).any():
        o = _animate(appearance, spacing, time)
        return o.points.transpose(1, 2).contiguous(), o.normals.transpose(1, 2).contiguous()
    entries = [_animated_at(appearance, spacing, int(k), point_cache) for k in ticks]
    points, normals = (torch.stack(layer).float() for layer in zip(*entries, strict=True))
    return points * (1 / POINT_SCALE), normals * (1 / 127)


def _animated_at(appearance: Appearance, spacing: float, tick: int, cache: TensorCache) -> tuple[Tensor, ...]:
    key = (appearance.subject, appearance.motion, appearance.manner, spacing, tick)
    entry = cache.get(key)
    if entry is None:
        o = _animate(appearance, spacing, torch.tensor([tick / TICKS]))
        points = (o.points[0].T * POINT_SCALE).round().clamp(-32767, 32767).to(torch.int16).contiguous()
        entry = (points, (o.normals[0].T * 127).round().to(torch.int8).contiguous())
        cache.put(key, *entry)
    return entry


def _animate(appearance: Appearance, spacing: float, time: Tensor) -> OrientedPoints:
    return animate(appearance, appearance.subject.surfels(spacing), time)


def animate(appearance: Appearance, surfels: Surfels, time: Tensor) -> OrientedPoints:
    """Move surfels of an appearance's subject to each time (B,), inside the image: points and normals (B, N, 3)."""
    subject, motion = appearance.subject, appearance.motion
    gain = motion_gain(subject, motion, appearance.manner)
    manner = fitting_manner(subject, motion, appearance.manner)
    return move(motion, surfels, time, subject.skeleton, gain, manner)


def surfel_spacing(size: int, radius: float, fovy: float) -> float:
    """Return the distance between surfels (world units) that leaves no hole in an image of this size."""
    return STEP * 2 * radius * tan(fovy * pi / 360) / (size * SUPERSAMPLE)


def splat(
    points: Tensor,  # (B, 3, N)
    normals: Tensor,  # (B, 3, N)
    colours: Tensor,  # (N, C) or (B, N, C)
    cameras: Cameras,  # B
    size: int,
) -> tuple[Tensor, Tensor]:  # premultiplied (B, C, size, size), alpha (B, 1, size, size)
    """Splat the points that face the camera, nearest first, antialiased; cameras are those of cameras.pixel_rays."""
    c2w, radius, fovy = (v.to(points) for v in (camera_to_world(cameras), cameras.radius, cameras.fovy))
    focal = size * SUPERSAMPLE / (2 * torch.tan(fovy * (pi / 360)))
    out = splat_points(points, normals, colours, c2w, radius, focal, size)
    return out[:, :-1], out[:, -1:]


def to_subject_frame(cameras: Cameras, azimuth: float) -> Cameras:
    """Turn world cameras into the subject's own frame, whose azimuth 0 is the reference camera's `azimuth`."""
    return make_cameras(
        cameras.elevation.cpu(), cameras.azimuth.cpu() - azimuth, cameras.radius.cpu(), cameras.fovy.cpu()
    )
