"""Camera paths around a finished scene: functions of the number of frames that return cameras and scene times."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from ..protocols import Cameras, Pinholes
from ..utils.text import quote_value
from .rig import FOVY, RADIUS, make_cameras, orbit

LARGEST = 1e9  # of a number of a key: its products stay far below float32's largest
MAX_LINES = 1000  # keys of a spline
MAX_REPEATS = 1000  # passes through the scene in one film
MIN_GAP = 1e-6  # of the film's length: keys that are nearer to each other would make a jump


class CameraPath(Protocol):
    """Cameras and scene times for any number of frames."""

    fixed_times: bool  # its times are exact: looping or playback do not change them

    def __call__(self, frames: int) -> tuple[Cameras | Pinholes, Tensor]:
        """Return F cameras and their times (F,) in [0, 1]."""


@dataclass(frozen=True)
class Playback:
    """How a scene plays during a film."""

    repeats: int = 1  # passes through the scene
    ping_pong: bool = False  # each pass there and back, which ends where it began

    def __post_init__(self) -> None:
        if not 1 <= self.repeats <= MAX_REPEATS:
            limits = f"at least once and at most {MAX_REPEATS} times"
            raise ValueError(f"repeats is {self.repeats}: the scene must play {limits}.")


def sample_path(
    path: CameraPath,
    frames: int,
    loops: bool,  # the scene's last time is its first
    playback: Playback = Playback(),
) -> tuple[Cameras | Pinholes, Tensor]:  # F cameras, times (F,)
    """Sample cameras and times of a film. One that plays in a circle repeats no time at its seam."""
    cameras, times = path(frames)
    if path.fixed_times:
        return cameras, times
    circle = torch.arange(frames) * playback.repeats % frames / frames
    if playback.ping_pong:
        return cameras, 1.0 - (1.0 - 2.0 * circle).abs()
    if loops:
        return cameras, circle
    return cameras, times if playback.repeats == 1 else _repeated_times(frames, playback.repeats)


def _repeated_times(frames: int, repeats: int) -> Tensor:  # (F,)
    """Run from the first time to the last, repeatedly."""
    period = frames / repeats
    return (torch.arange(frames) % period / max(period - 1.0, 1.0)).clamp(max=1.0)


def frame_times(frames: int, loops: bool = False) -> Tensor:  # (F,)
    """Space the times of the whole scene evenly, first and last included, or without the last of a scene that loops,
    which is its first; a single frame has the first."""
    if frames < 1:
        raise ValueError(f"{frames} frames were requested: a clip needs at least 1.")
    times = torch.linspace(0.0, 1.0, frames)
    return times * ((frames - 1) / frames) if loops else times


@dataclass(frozen=True)
class StaticCamera:
    """A camera at rest while the scene plays."""

    elevation: float = 0.0  # degrees
    azimuth: float = 0.0  # degrees
    radius: float = RADIUS  # world units
    fovy: float = FOVY  # degrees
    fixed_times: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_finite(vars(self).values())

    def __call__(self, frames: int) -> tuple[Cameras, Tensor]:
        times = frame_times(frames)
        azimuth = torch.full_like(times, self.azimuth)
        return make_cameras(self.elevation, azimuth, self.radius, self.fovy), times


@dataclass(frozen=True)
class Orbit(StaticCamera):
    """A camera that circles the scene while it plays."""

    turns: float = 1.0  # negative: clockwise from above

    def __call__(self, frames: int) -> tuple[Cameras, Tensor]:
        cameras = orbit(frames, self.elevation, self.radius, self.fovy, self.azimuth, self.turns)
        return cameras, frame_times(frames)


@dataclass(frozen=True)
class Spline:
    """A smooth path through keyframes (Catmull-Rom with the keys' own spacing), while the scene plays."""

    keys: tuple[tuple[float, float, float, float], ...]  # when (0 first frame, 1 last), azimuth, elevation, radius
    fovy: float = FOVY
    listed: bool = False  # nothing says when the keys are reached: whoever has images takes them one for one
    fixed_times: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_when([key[0] for key in self.keys])
        check_finite([self.fovy, *(value for key in self.keys for value in key)])

    def __call__(self, frames: int) -> tuple[Cameras, Tensor]:
        times = frame_times(frames)
        when, *columns = zip(*self.keys, strict=True)
        azimuth, elevation, radius = (interpolate_keys(when, values, times) for values in columns)
        return make_cameras(elevation.clamp(-89.0, 89.0), azimuth, radius.clamp(min=0.1), self.fovy), times


def check_finite(numbers: Iterable[float]) -> None:
    """Refuse NaN and infinity where a camera is chosen, not where it is rendered."""
    if not all(map(math.isfinite, numbers)):
        raise ValueError("a camera has an angle, radius or fovy that is not a number: give finite values.")


def check_when(when: Sequence[float]) -> None:
    """Refuse times of keys that do not lie in [0, 1], in order and apart from each other."""
    if not all(0.0 <= w <= 1.0 for w in when):
        raise ValueError("a key's 'when' lies outside 0 .. 1: divide by the length of the clip.")
    if any(b - a < MIN_GAP for a, b in zip(when, when[1:], strict=False)):
        raise ValueError(f"the {len(when)} keys need different values of 'when', in order: write them anew.")


def interpolate_keys(keys: Sequence[float], values: Sequence[float], x: Tensor) -> Tensor:  # like x
    """Interpolate with a cubic Hermite spline; slopes are central differences, one-sided at the ends; flat outside."""
    ends = [(max(i - 1, 0), min(i + 1, len(keys) - 1)) for i in range(len(keys))]
    slopes = [(values[b] - values[a]) / (keys[b] - keys[a]) if b > a else 0.0 for a, b in ends]
    return torch.tensor([_hermite(keys, values, slopes, float(v)) for v in x])


def _hermite(keys: Sequence[float], values: Sequence[float], slopes: Sequence[float], x: float) -> float:
    if x <= keys[0]:
        return values[0]
    if x >= keys[-1]:
        return values[-1]
    i = bisect_right(keys, x) - 1
    width = keys[i + 1] - keys[i]
    u = (x - keys[i]) / width
    rise = values[i + 1] - values[i]
    bend = (1 - u) * (slopes[i] * width - rise) + u * (rise - slopes[i + 1] * width)
    return values[i] + u * rise + u * (1 - u) * bend


def read_keys(text: str, radius: float = RADIUS) -> tuple[tuple[float, float, float, float], ...]:
    """Parse one key a line: "when: azimuth elevation [radius]", when from 0 to 1; "#" begins a comment."""
    keys = []
    for number, line in enumerate(text.splitlines(), 1):
        line = line.split("#")[0].strip()
        if line:
            keys.append(_parse_key(line, number, radius))
    if len({round(key[0] / MIN_GAP) for key in keys}) < max(len(keys), 2) or len(keys) > MAX_LINES:
        needed = f"it needs at least 2 lines and at most {MAX_LINES}, each with another time"
        raise ValueError(f"the spline has {len(keys)} keyframes: {needed}.")
    return tuple(sorted(keys))


def _parse_key(line: str, number: int, radius: float) -> tuple[float, float, float, float]:
    when, _, rest = line.partition(":")
    try:
        values = [float(v) for v in (when, *rest.replace(",", " ").split())]
        when, azimuth, elevation = values[:3]
        radius = values[3] if len(values) == 4 else radius
        if len(values) > 4 or not 0.0 <= when <= 1.0 or not all(abs(v) <= LARGEST for v in values):
            raise ValueError
    except ValueError:
        raise ValueError(
            f"line {number} of the spline is {quote_value(line)}: write 'time: azimuth elevation radius', time "
            "from 0 to 1, angles in degrees, for example '0.5: 90 20 1.8'."
        ) from None
    return when, azimuth, elevation, radius


def angles_towards(position: tuple[float, float, float], target: tuple[float, float, float]) -> tuple[float, float]:
    """Return elevation and azimuth in degrees of a camera at position that looks at target; y up, +z is azimuth 0."""
    x, y, z = (p - t for p, t in zip(position, target, strict=True))
    if x == y == z == 0.0:
        raise ValueError("the camera is at its own target: move it away.")
    return math.degrees(math.atan2(y, math.hypot(x, z))), math.degrees(math.atan2(x, z))


@dataclass(frozen=True)
class FixedTime:
    """Any path while the scene is frozen at one time (with an orbit: a turntable)."""

    path: CameraPath
    time: float  # scene time in [0, 1]
    fixed_times: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.time <= 1.0:
            raise ValueError(f"the time is {self.time}: scene time runs from 0 to 1.")

    def __call__(self, frames: int) -> tuple[Cameras | Pinholes, Tensor]:
        cameras, times = self.path(frames)
        return cameras, torch.full_like(times, self.time)
