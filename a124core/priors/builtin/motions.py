"""Motions: pure functions of points and time, the identity at time 0 and back there at time 1.

A subject with limbs moves its limbs; anything else moves soft regions of its bounding box, so a picture can do it all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from .body import ARM_M, ARM_P, HEAD, LEG_M, LEG_P, TAIL, Frame
from .warps import Oriented, Soft, constant, lift, ramp, shift, stretch, turn_by

DEGREE = pi / 180
LIFT = 0.16  # a side without an arm rises by this share of the height per radian that an arm would turn


@dataclass(frozen=True)
class Pose:
    """All that a motion reads."""

    time: Tensor  # (B,)
    limb: Tensor  # (N,)
    frame: Frame
    gain: float  # share of the full travel that stays in the picture

    @property
    def size(self) -> Tensor:
        return self.frame.high - self.frame.low

    @property
    def foot(self) -> Tensor:
        """(3,) the middle of the box's floor."""
        return torch.stack((self.middle[0], self.frame.low[1], self.middle[2]))

    @property
    def middle(self) -> Tensor:
        return (self.frame.low + self.frame.high) / 2

    def at(self, x: float, y: float) -> Tensor:
        """(3,) a point by its share of the box's width and height, in the middle of its depth."""
        return self.frame.low + self.size * torch.tensor([x, y, 0.5])

    def has(self, limb: int) -> bool:
        return limb in self.frame.limbs


def move(
    motion: str, points: Tensor, normals: Tensor, limb: Tensor, time: Tensor, frame: Frame, gain: float = 1.0
) -> Oriented:
    """points, normals (N, 3) at time 0, limb (N,), time (B,) -> (B, N, 3) each."""
    still = Oriented(points.expand(len(time), -1, -1), normals.expand(len(time), -1, -1))
    return MOTION_TABLE[motion](still, Pose(time, limb, frame, gain)) if motion in MOTION_TABLE else still


def _sin(pose: Pose, cycles: float = 1.0) -> Tensor:
    return (2 * pi * cycles * pose.time).sin()


def _swell(pose: Pose, start: float = 0.0, end: float = 1.0) -> Tensor:
    """0 outside (start, end), 1 in its middle, smooth."""
    t = ((pose.time - start) / (end - start)).clamp(0, 1)
    return (pi * t).sin() ** 2


def _all(o: Oriented, angle: Tensor) -> Soft:
    return constant(angle[:, None].expand(o.points.shape[:2]))


def _scale(height: Tensor) -> Tensor:
    """Height factor (B,) -> (B, 3) that keeps the volume."""
    side = height.rsqrt()
    return torch.stack((side, height, side), 1)


def _up(height: Tensor) -> Tensor:
    return torch.stack((torch.zeros_like(height), height, torch.zeros_like(height)), 1)


def _limb(o: Oriented, pose: Pose, limb: int, angle: Tensor, axis: int) -> Oriented:
    """Turn one limb about its pivot; angle (B,)."""
    if not pose.has(limb):
        return o
    mine = (pose.limb == limb).to(o.points)
    return turn_by(o, constant(angle[:, None] * mine), axis, pose.frame.pivots[limb])


def _side(o: Oriented, pose: Pose, sign: int, angle: Tensor) -> Oriented:
    """Lift the arm on one side of x by `angle` (B,): the limb, or the outer upper part of the box."""
    limb = ARM_P if sign > 0 else ARM_M
    if pose.frame.pivots is not None:
        return _limb(o, pose, limb, angle * sign, 2)
    mid, half = float(pose.middle[0]), float(pose.size[0]) / 2
    low, high = float(pose.frame.low[1]), float(pose.size[1])
    out = ramp(o.points, 0, mid, mid + sign * half)
    up = ramp(o.points, 1, low + 0.1 * high, low + 0.65 * high)
    return lift(o, out * up * (LIFT * high * angle)[:, None])


def _arms(o: Oriented, pose: Pose, left: Tensor, right: Tensor) -> Oriented:
    return _side(_side(o, pose, 1, left), pose, -1, right)


def _head(o: Oriented, pose: Pose, angle: Tensor, axis: int) -> Oriented:
    """Turn the head: the limb, or softly the upper part of the box."""
    if pose.has(HEAD):
        return _limb(o, pose, HEAD, angle, axis)
    low, high = float(pose.frame.low[1]), float(pose.size[1])
    return turn_by(o, ramp(o.points, 1, low + 0.3 * high, low + 0.85 * high) * angle[:, None], axis, pose.at(0.5, 0.4))


def _steps(o: Oriented, pose: Pose, stride: Tensor) -> Oriented:
    """Swing legs against each other, or lift the lower corners of the box in turn; stride (B,) in -1 .. 1."""
    if pose.frame.pivots is not None:
        o = _limb(o, pose, LEG_P, -30 * DEGREE * stride, 0)
        return _limb(o, pose, LEG_M, 30 * DEGREE * stride, 0)
    low, size, mid = pose.frame.low, pose.size, float(pose.middle[0])
    down = ramp(o.points, 1, float(low[1] + 0.4 * size[1]), float(low[1]))
    for sign in (1, -1):
        side = ramp(o.points, 0, mid - sign * 0.1 * float(size[0]), mid + sign * 0.3 * float(size[0]))
        o = lift(o, down * side * (0.10 * float(size[1]) * (stride * sign).clamp_min(0))[:, None])
    return o


def _bend(o: Oriented, pose: Pose, angle: Tensor, axis: int = 2) -> Oriented:
    """Lean with the feet fixed: the angle grows with the height above the floor."""
    low, high = float(pose.frame.low[1]), float(pose.frame.high[1])
    return turn_by(o, ramp(o.points, 1, low, high, power=1.2) * angle[:, None], axis, pose.foot)


def _tipped(pose: Pose, angle: Tensor) -> Tensor:
    """How much a body that tips sideways must rise so that its lower corner stays on the floor."""
    return 0.5 * pose.size[0] * angle.abs().sin()


def jump(o: Oriented, pose: Pose) -> Oriented:
    """Crouch, one high hop, land."""
    flight = ((pose.time - 0.18) / 0.64).clamp(0, 1)
    rise = 4 * flight * (1 - flight)
    crouch = 0.16 * (_swell(pose, 0.0, 0.24) + _swell(pose, 0.76, 1.0))
    raised = (50 if pose.frame.pivots is not None else 15) * DEGREE * rise
    o = _arms(o, pose, raised, raised)
    o = stretch(o, _scale(1 - crouch + 0.07 * _swell(pose, 0.2, 0.55)), pose.foot)
    return shift(o, _up(0.42 * pose.gain * pose.size[1] * rise))


def bounce(o: Oriented, pose: Pose) -> Oriented:
    """Two hops like a rubber ball, flat where it touches the ground."""
    rise = _sin(pose).abs()
    flat = 0.20 * _swell(pose, 0.41, 0.59)
    o = stretch(o, _scale(1 - flat + 0.08 * rise**2), pose.foot)
    return shift(o, _up(0.30 * pose.gain * pose.size[1] * rise))


def sway(o: Oriented, pose: Pose) -> Oriented:
    """Bend to both sides like a tree in the wind."""
    return _bend(o, pose, 30 * DEGREE * pose.gain * _sin(pose))


def spin(o: Oriented, pose: Pose) -> Oriented:
    """One full turn about the upright axis."""
    return turn_by(o, _all(o, 2 * pi * pose.time), 1, pose.middle)


def wave(o: Oriented, pose: Pose) -> Oriented:
    """Raise one arm and wave it twice."""
    up = _swell(pose) ** 0.7
    swing = (48 * up + 28 * _sin(pose, 3) * up) * DEGREE
    if pose.frame.pivots is None or not pose.has(ARM_P):
        swing = 60 * DEGREE * _sin(pose, 2)
    o = _side(o, pose, 1, swing) if pose.frame.pivots is None or pose.has(ARM_P) else _soft_wave(o, pose, swing)
    return _head(o, pose, -8 * DEGREE * up, 2)


def _soft_wave(o: Oriented, pose: Pose, swing: Tensor) -> Oriented:
    """A subject without arms waves the upper part of one side."""
    loose = Pose(pose.time, pose.limb, Frame(pose.frame.low, pose.frame.high, None), pose.gain)
    return _side(o, loose, 1, swing)


def squash(o: Oriented, pose: Pose) -> Oriented:
    """Press flat, then stretch tall, feet on the ground."""
    return stretch(o, _scale(1 - 0.26 * pose.gain * _sin(pose)), pose.foot)


def walk(o: Oriented, pose: Pose) -> Oriented:
    """Two waddling steps to one side and two back."""
    stride = _sin(pose, 2)
    o = _steps(o, pose, stride)
    o = _limb(_limb(o, pose, ARM_P, 25 * DEGREE * stride, 0), pose, ARM_M, -25 * DEGREE * stride, 0)
    o = turn_by(o, _all(o, 9 * DEGREE * stride), 2, pose.foot)
    side = 0.16 * pose.gain * pose.size[1] * _sin(pose)
    bob = 0.04 * pose.size[1] * stride**2 + _tipped(pose, 9 * DEGREE * stride)
    return shift(o, torch.stack((side, bob, torch.zeros_like(bob)), 1))


def fly(o: Oriented, pose: Pose) -> Oriented:
    """Rise and hover with beating wings."""
    aloft = _swell(pose)
    beat = 42 * DEGREE * _sin(pose, 3) * aloft**0.5 + 30 * DEGREE * aloft
    o = _arms(o, pose, beat, beat)
    o = turn_by(o, _all(o, 12 * DEGREE * aloft), 0, pose.middle)
    drift = 0.10 * pose.gain * pose.size[1] * _sin(pose)
    height = 0.40 * pose.gain * pose.size[1] * aloft + 0.03 * pose.size[1] * _sin(pose, 3) * aloft
    return shift(o, torch.stack((drift, height, torch.zeros_like(height)), 1))


def dance(o: Oriented, pose: Pose) -> Oriented:
    """Hips left and right, a twist, arms in turn and a little hop on each beat."""
    beat, hop = _sin(pose), _sin(pose, 2) ** 2
    o = _arms(o, pose, 50 * DEGREE * beat.clamp_min(0), 50 * DEGREE * (-beat).clamp_min(0))
    o = _head(o, pose, 12 * DEGREE * beat, 2)
    low, high = float(pose.frame.low[1]), float(pose.frame.high[1])
    o = turn_by(o, ramp(o.points, 1, low, high, power=1.0) * (34 * DEGREE * _sin(pose, 2))[:, None], 1, pose.middle)
    o = stretch(o, _scale(1 - 0.07 * _sin(pose, 2) ** 2), pose.foot)
    o = _bend(o, pose, -17 * DEGREE * beat)
    return shift(o, torch.stack((0.06 * pose.size[1] * beat, 0.12 * pose.gain * pose.size[1] * hop, 0 * beat), 1))


def nod(o: Oriented, pose: Pose) -> Oriented:
    """Bow the head twice."""
    down = _sin(pose) ** 2
    o = _head(o, pose, 26 * DEGREE * down, 0)
    return _bend(o, pose, 10 * DEGREE * down, axis=0)


def twist(o: Oriented, pose: Pose) -> Oriented:
    """Wring about the upright axis, feet fixed."""
    low, high = float(pose.frame.low[1]), float(pose.frame.high[1])
    wring = ramp(o.points, 1, low, high, power=1.0) * (70 * DEGREE * _sin(pose))[:, None]
    return turn_by(o, wring, 1, pose.middle)


def rock(o: Oriented, pose: Pose) -> Oriented:
    """Tip to both sides as one piece, like a rocking toy."""
    angle = 18 * DEGREE * pose.gain * _sin(pose)
    o = _limb(o, pose, TAIL, -angle, 2)
    o = turn_by(o, _all(o, angle), 2, pose.foot)
    return shift(o, torch.stack((-0.25 * pose.size[0] * angle, _tipped(pose, angle), 0 * angle), 1))


MOTION_TABLE: dict[str, Callable[[Oriented, Pose], Oriented]] = {
    "jump": jump,
    "bounce": bounce,
    "sway": sway,
    "spin": spin,
    "wave": wave,
    "squash": squash,
    "walk": walk,
    "fly": fly,
    "dance": dance,
    "nod": nod,
    "twist": twist,
    "rock": rock,
}
