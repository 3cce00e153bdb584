"""Ways to look at a finished scene. A path is a function of the number of frames: cameras and the moments they show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from .rig import FOVY, RADIUS, make_cameras, orbit


class CameraPath(Protocol):
    """From where a scene is seen, and when, for any number of frames."""

    fixed_times: bool  # its times are meant exactly so: nothing that loops or plays a scene changes them

    def __call__(self, frames: int) -> tuple[Cameras | Pinholes, Tensor]:
        """-> F cameras, times (F,) in [0, 1]."""


@dataclass(frozen=True)
class Playback:
    """How a scene plays while a film runs."""

    repeats: int = 1  # so many times during the film
    ping_pong: bool = False  # each time there and back (ping-pong), which ends where it began

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"the scene was to play {self.repeats} times: it must be at least once.")


def sample_path(
    path: CameraPath,
    frames: int,
    loops: bool,  # the scene's last moment is its first
    playback: Playback = Playback(),
) -> tuple[Cameras | Pinholes, Tensor]:  # F cameras, times (F,)
    """Cameras and moments of a film. One that plays in a circle shows no moment twice at its seam."""
    cameras, moments = path(frames)
    if path.fixed_times:
        return cameras, moments
    circle = torch.arange(frames) * playback.repeats % frames / frames
    if playback.ping_pong:
        return cameras, 1.0 - (1.0 - 2.0 * circle).abs()
    if loops:
        return cameras, circle
    return cameras, moments if playback.repeats == 1 else _again(frames, playback.repeats)


def _again(frames: int, plays: int) -> Tensor:  # (F,)
    """From the first moment to the last, so many times; the cut between them is where it has to be."""
    long = frames / plays
    return (torch.arange(frames) % long / max(long - 1.0, 1.0)).clamp(max=1.0)


def frame_times(frames: int) -> Tensor:  # (F,)
    """The whole scene, first and last moment included; a single frame shows the first."""
    if frames < 1:
        raise ValueError(f"{frames} frames were asked for: a clip needs at least 1.")
    return torch.linspace(0.0, 1.0, frames)


def without_repeated_end(moments: Tensor) -> Tensor:  # (F,) -> (F,)
    """The same for a scene that loops: its last moment is its first, which must not be shown twice."""
    return moments * ((len(moments) - 1) / len(moments))


@dataclass(frozen=True)
class StaticCamera:
    """The camera stands, the scene moves."""

    elevation: float = 0.0  # degrees
    azimuth: float = 0.0  # degrees
    radius: float = RADIUS  # world units
    fovy: float = FOVY  # degrees
    fixed_times: ClassVar[bool] = False

    def __call__(self, frames: int) -> tuple[Cameras, Tensor]:
        moments = frame_times(frames)
        angle = torch.full_like(moments, self.azimuth)
        return make_cameras(self.elevation, angle, self.radius, self.fovy), moments


@dataclass(frozen=True)
class Orbit(StaticCamera):
    """The camera walks around; the scene moves on, or stands still at one moment (a turntable)."""

    turns: float = 1.0  # negative: the other way
    moment: float | None = None  # scene time in [0, 1] at which everything stands still; None: it plays

    @property
    def fixed_times(self) -> bool:
        return self.moment is not None

    def __call__(self, frames: int) -> tuple[Cameras, Tensor]:
        moments = frame_times(frames)
        if self.moment is not None:
            moments = torch.full_like(moments, self.moment)
        return orbit(frames, self.elevation, self.radius, self.fovy, self.azimuth, self.turns), moments


@dataclass(frozen=True)
class Spline:
    """A smooth walk through keyframes (Catmull-Rom with the keys' own spacing), while the scene plays."""

    keys: tuple[tuple[float, float, float, float], ...]  # when (0 first frame, 1 last), azimuth, elevation, radius
    fovy: float = FOVY
    fixed_times: ClassVar[bool] = False

    def __call__(self, frames: int) -> tuple[Cameras, Tensor]:
        moments = frame_times(frames)
        azimuth, elevation, radius = (
            through([key[0] for key in self.keys], [key[k] for key in self.keys], moments) for k in (1, 2, 3)
        )
        return make_cameras(elevation.clamp(-89.0, 89.0), azimuth, radius.clamp(min=0.1), self.fovy), moments


def through(at: list[float], values: list[float], where: Tensor) -> Tensor:  # like where
    """Cubic Hermite through (at, values); slopes are central differences, one-sided at the ends; flat outside."""
    slopes = [
        (values[min(i + 1, len(at) - 1)] - values[max(i - 1, 0)]) / (at[min(i + 1, len(at) - 1)] - at[max(i - 1, 0)])
        if len(at) > 1
        else 0.0
        for i in range(len(at))
    ]
    return torch.tensor([_hermite(at, values, slopes, float(w)) for w in where])


def _hermite(at: list[float], values: list[float], slopes: list[float], w: float) -> float:
    if w <= at[0]:
        return values[0]
    if w >= at[-1]:
        return values[-1]
    i = max(k for k in range(len(at) - 1) if at[k] <= w)
    width = at[i + 1] - at[i]
    u = (w - at[i]) / width
    rise = values[i + 1] - values[i]
    bend = (1 - u) * (slopes[i] * width - rise) + u * (rise - slopes[i + 1] * width)
    return values[i] + u * rise + u * (1 - u) * bend


def read_keys(text: str, radius: float = RADIUS) -> tuple[tuple[float, float, float, float], ...]:
    """One key a line: "when: azimuth elevation [radius]", when from 0 to 1; "#" begins a comment."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if line:
            keys.append(_key(line, number, radius))
    if len({key[0] for key in keys}) < max(len(keys), 2):
        raise ValueError(f"the spline has {len(keys)} keyframes: it needs at least 2 lines, each with another time.")
    return tuple(sorted(keys))


def _key(line: str, number: int, radius: float) -> tuple[float, float, float, float]:
    when, _, rest = line.partition(":")
    try:
        values = [float(v) for v in (when, *rest.replace(",", " ").split())]
        when, azimuth, elevation = values[:3]
        far = values[3] if len(values) == 4 else radius
        if len(values) > 4 or not 0.0 <= when <= 1.0 or not all(map(math.isfinite, values)):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"line {number} of the spline is {line!r}: write 'time: azimuth elevation radius', time from 0 to 1, "
            "angles in degrees, for example '0.5: 90 20 1.8'."
        ) from None
    return when, azimuth, elevation, far


def angles_towards(position: tuple[float, float, float], target: tuple[float, float, float]) -> tuple[float, float]:
    """Elevation and azimuth in degrees of a camera at position that looks at target; y up, +z is azimuth 0."""
    x, y, z = (p - t for p, t in zip(position, target, strict=True))
    if x == y == z == 0.0:
        raise ValueError("the camera stands on its own target: move it away.")
    return math.degrees(math.atan2(y, math.hypot(x, z))), math.degrees(math.atan2(x, z))


@dataclass(frozen=True)
class FixedTime:
    """Any path, while the scene stands still at one moment."""

    path: CameraPath
    moment: float  # scene time in [0, 1]
    fixed_times: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.moment <= 1.0:
            raise ValueError(f"the moment is {self.moment}: scene time runs from 0 to 1.")

    def __call__(self, frames: int) -> tuple[Cameras | Pinholes, Tensor]:
        cameras, moments = self.path(frames)
        return cameras, torch.full_like(moments, self.moment)
