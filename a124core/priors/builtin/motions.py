"""Motions: pure functions of points and time, the identity at time 0 and back there at time 1.

A subject with limbs moves its limbs; anything else moves soft regions of its bounding box, as inflated images do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import pi

import torch
from torch import Tensor

from .subject import ARM_M, ARM_P, HEAD, LEG_M, LEG_P, TAIL, Skeleton, Surfels
from .warps import OrientedPoints, ScalarField, displace, ramp, rotate, scale, translate

DEGREE = pi / 180
LIFT = 0.16  # a side without an arm rises by this share of the height per radian that an arm would turn


@dataclass(frozen=True)
class Pose:
    """All that a motion reads."""

    time: Tensor  # (B,)
    limb: Tensor  # (N,)
    skeleton: Skeleton
    gain: float  # share of the full travel that stays in the image

    @property
    def size(self) -> Tensor:
        """Return the box's width, height and depth (3,)."""
        return self.skeleton.high - self.skeleton.low

    @property
    def height(self) -> Tensor:
        return self.size[1]

    @property
    def foot(self) -> Tensor:
        """Return the middle (3,) of the box's floor."""
        return torch.stack((self.middle[0], self.skeleton.low[1], self.middle[2]))

    @property
    def middle(self) -> Tensor:
        """Return the middle (3,) of the box."""
        return (self.skeleton.low + self.skeleton.high) / 2

    @property
    def has_limbs(self) -> bool:
        """Check whether limbs turn, as opposed to soft regions of the box."""
        return self.skeleton.pivots is not None

    def point(self, x: float, y: float) -> Tensor:
        """Return a point (3,) by its share of the box's width and height, in the middle of its depth."""
        return self.skeleton.low + self.size * torch.tensor([x, y, 0.5])

    def has(self, limb: int) -> bool:
        return limb in self.skeleton.limbs


def move(motion: str, surfels: Surfels, time: Tensor, skeleton: Skeleton, gain: float = 1.0) -> OrientedPoints:
    """Move N surfels to each time (B,): points and normals (B, N, 3). An unknown motion leaves them at rest."""
    rest = (surfels.points.expand(len(time), -1, -1), surfels.normals.expand(len(time), -1, -1))
    o = OrientedPoints(*rest)
    return MOTION_TABLE[motion](o, Pose(time, surfels.limb, skeleton, gain)) if motion in MOTION_TABLE else o


def _sin(pose: Pose, cycles: float = 1.0) -> Tensor:
    return (2 * pi * cycles * pose.time).sin()


def _swell(pose: Pose, start: float = 0.0, end: float = 1.0) -> Tensor:
    """Rise smoothly from 0 outside (start, end) to 1 in its middle."""
    t = ((pose.time - start) / (end - start)).clamp(0, 1)
    return (pi * t).sin() ** 2


def _uniform(o: OrientedPoints, value: Tensor) -> ScalarField:
    """Give every point the same value (B,)."""
    return ScalarField(value[:, None].expand(o.points.shape[:2]))


def _height_ramp(o: OrientedPoints, pose: Pose, power: float) -> ScalarField:
    """Rise from 0 at the floor of the box to 1 at its top."""
    return ramp(o.points, 1, float(pose.skeleton.low[1]), float(pose.skeleton.high[1]), power)


def _keep_volume(height: Tensor) -> Tensor:
    """Turn a factor of the height (B,) into factors (B, 3) that keep the volume."""
    side = height.rsqrt()
    return torch.stack((side, height, side), 1)


def _up(height: Tensor) -> Tensor:
    return torch.stack((torch.zeros_like(height), height, torch.zeros_like(height)), 1)


def _limb(o: OrientedPoints, pose: Pose, limb: int, angle: Tensor, axis: int) -> OrientedPoints:
    """Turn one limb about its pivot; angle (B,)."""
    if not pose.has(limb):
        return o
    mine = (pose.limb == limb).to(o.points)
    return rotate(o, ScalarField(angle[:, None] * mine), axis, pose.skeleton.pivots[limb])


def _side(o: OrientedPoints, pose: Pose, sign: int, angle: Tensor) -> OrientedPoints:
    """Lift the arm on one side of x by `angle` (B,): the limb, or the outer upper part of the box."""
    if pose.has_limbs:
        return _limb(o, pose, ARM_P if sign > 0 else ARM_M, angle * sign, 2)
    mid, half = float(pose.middle[0]), float(pose.size[0]) / 2
    low, height = float(pose.skeleton.low[1]), float(pose.height)
    out = ramp(o.points, 0, mid, mid + sign * half)
    up = ramp(o.points, 1, low + 0.1 * height, low + 0.65 * height)
    return displace(o, out * up * (LIFT * height * angle)[:, None])


def _arms(o: OrientedPoints, pose: Pose, left: Tensor, right: Tensor) -> OrientedPoints:
    return _side(_side(o, pose, 1, left), pose, -1, right)


def _head(o: OrientedPoints, pose: Pose, angle: Tensor, axis: int) -> OrientedPoints:
    """Turn the head: the limb, or softly the upper part of the box."""
    if pose.has(HEAD):
        return _limb(o, pose, HEAD, angle, axis)
    low, height = float(pose.skeleton.low[1]), float(pose.height)
    upper = ramp(o.points, 1, low + 0.3 * height, low + 0.85 * height)
    return rotate(o, upper * angle[:, None], axis, pose.point(0.5, 0.4))


def _steps(o: OrientedPoints, pose: Pose, stride: Tensor) -> OrientedPoints:
    """Swing legs against each other, or lift the lower corners of the box in turn; stride (B,) in -1 .. 1."""
    if pose.has_limbs:
        o = _limb(o, pose, LEG_P, -30 * DEGREE * stride, 0)
        return _limb(o, pose, LEG_M, 30 * DEGREE * stride, 0)
    low, size, mid = pose.skeleton.low, pose.size, float(pose.middle[0])
    down = ramp(o.points, 1, float(low[1] + 0.4 * size[1]), float(low[1]))
    for sign in (1, -1):
        side = ramp(o.points, 0, mid - sign * 0.1 * float(size[0]), mid + sign * 0.3 * float(size[0]))
        o = displace(o, down * side * (0.10 * float(size[1]) * (stride * sign).clamp_min(0))[:, None])
    return o


def _bend(o: OrientedPoints, pose: Pose, angle: Tensor, axis: int = 2) -> OrientedPoints:
    """Lean with the feet fixed: the angle grows with the height above the floor."""
    return rotate(o, _height_ramp(o, pose, 1.2) * angle[:, None], axis, pose.foot)


def _tipped(pose: Pose, angle: Tensor) -> Tensor:
    """Return the rise that keeps the lower corner of a body that tips sideways on the floor."""
    return 0.5 * pose.size[0] * angle.abs().sin()


def jump(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Crouch, one high hop, land."""
    flight = ((pose.time - 0.18) / 0.64).clamp(0, 1)
    rise = 4 * flight * (1 - flight)
    crouch = 0.16 * (_swell(pose, 0.0, 0.24) + _swell(pose, 0.76, 1.0))
    raised = (50 if pose.has_limbs else 15) * DEGREE * rise
    o = _arms(o, pose, raised, raised)
    o = scale(o, _keep_volume(1 - crouch + 0.07 * _swell(pose, 0.2, 0.55)), pose.foot)
    return translate(o, _up(0.42 * pose.gain * pose.height * rise))


def bounce(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Two hops like a rubber ball, flat where it touches the ground."""
    rise = _sin(pose).abs()
    flat = 0.20 * _swell(pose, 0.41, 0.59)
    o = scale(o, _keep_volume(1 - flat + 0.08 * rise**2), pose.foot)
    return translate(o, _up(0.30 * pose.gain * pose.height * rise))


def sway(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Bend to both sides like a tree in the wind."""
    return _bend(o, pose, 30 * DEGREE * pose.gain * _sin(pose))


def spin(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """One full turn about the upright axis."""
    return rotate(o, _uniform(o, 2 * pi * pose.time), 1, pose.middle)


def wave(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Raise one arm and wave it twice; without an arm, the upper part of one side."""
    up = _swell(pose) ** 0.7
    has_arm = pose.has_limbs and pose.has(ARM_P)
    swing = (48 * up + 28 * _sin(pose, 3) * up) * DEGREE if has_arm else 60 * DEGREE * _sin(pose, 2)
    arm = pose if has_arm else replace(pose, skeleton=Skeleton(pose.skeleton.low, pose.skeleton.high, None))
    return _head(_side(o, arm, 1, swing), pose, -8 * DEGREE * up, 2)


def squash(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Press flat, then stretch tall, feet on the ground."""
    return scale(o, _keep_volume(1 - 0.26 * pose.gain * _sin(pose)), pose.foot)


def walk(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Two waddling steps to one side and two back."""
    stride = _sin(pose, 2)
    o = _steps(o, pose, stride)
    o = _limb(_limb(o, pose, ARM_P, 25 * DEGREE * stride, 0), pose, ARM_M, -25 * DEGREE * stride, 0)
    o = rotate(o, _uniform(o, 9 * DEGREE * stride), 2, pose.foot)
    side = 0.16 * pose.gain * pose.height * _sin(pose)
    bob = 0.04 * pose.height * stride**2 + _tipped(pose, 9 * DEGREE * stride)
    return translate(o, torch.stack((side, bob, torch.zeros_like(bob)), 1))


def fly(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Rise and hover with beating wings."""
    aloft = _swell(pose)
    beat = 42 * DEGREE * _sin(pose, 3) * aloft**0.5 + 30 * DEGREE * aloft
    o = _arms(o, pose, beat, beat)
    o = rotate(o, _uniform(o, 12 * DEGREE * aloft), 0, pose.middle)
    drift = 0.10 * pose.gain * pose.height * _sin(pose)
    height = 0.40 * pose.gain * pose.height * aloft + 0.03 * pose.height * _sin(pose, 3) * aloft
    return translate(o, torch.stack((drift, height, torch.zeros_like(height)), 1))


def dance(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Hips left and right, a twist, arms in turn and a little hop on each beat."""
    beat, hop = _sin(pose), _sin(pose, 2) ** 2
    o = _arms(o, pose, 50 * DEGREE * beat.clamp_min(0), 50 * DEGREE * (-beat).clamp_min(0))
    o = _head(o, pose, 12 * DEGREE * beat, 2)
    o = rotate(o, _height_ramp(o, pose, 1.0) * (34 * DEGREE * _sin(pose, 2))[:, None], 1, pose.middle)
    o = scale(o, _keep_volume(1 - 0.07 * hop), pose.foot)
    o = _bend(o, pose, -17 * DEGREE * beat)
    return translate(o, torch.stack((0.06 * pose.height * beat, 0.12 * pose.gain * pose.height * hop, 0 * beat), 1))


def nod(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Bow the head twice."""
    down = _sin(pose) ** 2
    o = _head(o, pose, 26 * DEGREE * down, 0)
    return _bend(o, pose, 10 * DEGREE * down, axis=0)


def twist(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Wring about the upright axis, feet fixed."""
    return rotate(o, _height_ramp(o, pose, 1.0) * (70 * DEGREE * _sin(pose))[:, None], 1, pose.middle)


def rock(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Tip to both sides as one piece, like a rocking toy."""
    angle = 18 * DEGREE * pose.gain * _sin(pose)
    o = _limb(o, pose, TAIL, -angle, 2)
    o = rotate(o, _uniform(o, angle), 2, pose.foot)
    return translate(o, torch.stack((-0.25 * pose.size[0] * angle, _tipped(pose, angle), 0 * angle), 1))


MOTION_TABLE: dict[str, Callable[[OrientedPoints, Pose], OrientedPoints]] = {
    "jump": jump, "bounce": bounce, "sway": sway, "spin": spin, "wave": wave, "squash": squash,
    "walk": walk, "fly": fly, "dance": dance, "nod": nod, "twist": twist, "rock": rock,
}
