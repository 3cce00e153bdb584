"""What every motion reads, and the moves that motions are made of: turns of limbs, head and legs, travel, scale."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor

from .puppet.parts import PartSkeleton
from .puppet.roles import Roles
from .subject import ARM_M, ARM_P, HEAD, LEG_M, LEG_P, Skeleton
from .warps import OrientedPoints, ScalarField, displace, ramp, rotate, scale, translate

DEGREE = pi / 180
LIFT = 0.16  # a side without an arm rises by this share of the height per radian that an arm would turn
SPREAD = 0.45  # share of an arm's angle by which the side of a body without limbs turns outwards
WING = (0.3, 0.6, 0.9, 0.2)  # that side: from this share of the half width; its full, top and lower heights
HIGHEST = 75.0  # degrees above the horizontal to which a limb of an image is lifted
MAX_STRENGTH, MAX_SPEED = 2.0, 4
STEP_BACK = 0.2  # of its size by which a subject that has no room to move gets smaller, once it moves
MIN_HEIGHT = 0.4  # share of the height that a squashed body has left


@dataclass(frozen=True)
class Manner:
    """How a motion is done."""

    strength: float = 1.0  # factor of angles, squash and travel, 0 to MAX_STRENGTH; a full turn stays one
    speed: int = 1  # times the motion is done from time 0 to 1, 1 to MAX_SPEED

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= MAX_STRENGTH:
            raise ValueError(
                f"strength is {self.strength}: it must be at least 0 and at most {MAX_STRENGTH:g}, so choose another "
                "number (1 is the usual motion)."
            )
        if self.speed not in range(1, MAX_SPEED + 1):
            raise ValueError(
                f"speed is {self.speed}: it must be a whole number from 1 to {MAX_SPEED}, so choose another one "
                "(2 does the motion twice)."
            )


@dataclass(frozen=True)
class Pose:
    """All that a motion reads."""

    time: Tensor  # (B,)
    limb: Tensor  # (N,)
    skeleton: Skeleton
    gain: float  # share of the full travel that stays in the image
    strength: float = 1.0
    weights: ScalarField | None = None  # (P, N) of the parts of a subject made from an image

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

    @property
    def parts(self) -> PartSkeleton | None:
        return self.skeleton.parts

    @property
    def roles(self) -> Roles:
        """Return what the parts of an image are; all None for a subject without them."""
        return Roles() if self.parts is None else self.parts.roles

    @property
    def crowding(self) -> float:
        """Return how much room the travel of a subject made from an image lacks in its frame, 0 to 1."""
        return 0.0 if self.has_limbs else 1 - self.gain

    def point(self, x: float, y: float) -> Tensor:
        """Return a point (3,) by its share of the box's width and height, in the middle of its depth."""
        return self.skeleton.low + self.size * torch.tensor([x, y, 0.5])

    def has(self, limb: int) -> bool:
        return limb in self.skeleton.limbs


def sine(pose: Pose, cycles: float = 1.0) -> Tensor:
    return (2 * pi * cycles * pose.time).sin()


def swell(pose: Pose, start: float = 0.0, end: float = 1.0) -> Tensor:
    """Rise smoothly from 0 outside (start, end) to 1 in its middle."""
    t = ((pose.time - start) / (end - start)).clamp(0, 1)
    return (pi * t).sin() ** 2


def height_ramp(o: OrientedPoints, pose: Pose, power: float) -> ScalarField:
    """Rise from 0 at the floor of the box to 1 at its top; of a stiff body half of that is everywhere."""
    if pose.skeleton.is_stiff:
        return ScalarField(torch.full_like(o.points[..., 1], 0.5))
    return ramp(o.points, 1, float(pose.skeleton.low[1]), float(pose.skeleton.high[1]), power)


def travel(o: OrientedPoints, pose: Pose, offset: Tensor) -> OrientedPoints:
    """Move everything by offset (B, 3)."""
    return translate(o, offset * pose.strength)


def rise(o: OrientedPoints, pose: Pose, height: Tensor) -> OrientedPoints:
    """Move everything up by height (B,)."""
    return travel(o, pose, torch.stack((torch.zeros_like(height), height, torch.zeros_like(height)), 1))


def squeeze(o: OrientedPoints, pose: Pose, height: Tensor, about: Tensor) -> OrientedPoints:
    """Scale the height by a factor (B,) and the other sides so that the volume stays."""
    if pose.strength != 1.0:
        height = (1 + (height - 1) * pose.strength).clamp_min(MIN_HEIGHT)
    side = height.rsqrt()
    return scale(o, torch.stack((side, height, side), 1), about)


def step_back(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Make a subject smaller while it moves, as if farther away, by what its frame lacks in room."""
    size = 1 - STEP_BACK * pose.crowding * (pi * pose.time).sin().clamp_min(0).sqrt()
    return scale(o, size[:, None].expand(-1, 3), pose.point(0.5, 0.35))


def turn(o: OrientedPoints, pose: Pose, angle: ScalarField | Tensor, axis: int, about: Tensor) -> OrientedPoints:
    """Turn each point by its own angle, or all by angle (B,)."""
    if isinstance(angle, Tensor):
        angle = ScalarField(angle[:, None].expand(o.points.shape[:2]))
    return rotate(o, angle * pose.strength, axis, about)


def turn_limb(o: OrientedPoints, pose: Pose, limb: int, angle: Tensor, axis: int) -> OrientedPoints:
    """Turn one limb of a built-in subject about its pivot; angle (B,)."""
    if not pose.has(limb):
        return o
    mine = (pose.limb == limb).to(o.points)
    return turn(o, pose, ScalarField(angle[:, None] * mine), axis, pose.skeleton.pivots[limb])


def part_field(o: OrientedPoints, pose: Pose, part: int, value: Tensor) -> ScalarField:
    """Give a part of an image the value (B,), softly across its joint."""
    weight, grad = pose.weights.value[part], pose.weights.grad[part]
    return ScalarField(value[:, None] * weight, value[:, None, None] * grad)


def turn_part(o: OrientedPoints, pose: Pose, part: int | None, angle: Tensor, axis: int) -> OrientedPoints:
    """Turn one part of an image about its joint; angle (B,). None: nothing turns."""
    if part is None:
        return o
    return turn(o, pose, part_field(o, pose, part, angle), axis, pose.parts.joints[part])


def lift_part(o: OrientedPoints, pose: Pose, part: int | None, side: int, angle: Tensor) -> OrientedPoints:
    """Lift a part on one side of x by angle (B,), as far as it does not lean over its joint."""
    if part is None:
        return o
    most = max(0.0, HIGHEST - pose.parts.elevations[part]) * DEGREE
    return turn_part(o, pose, part, side * angle.clamp_max(most), 2)


def lift_side(o: OrientedPoints, pose: Pose, sign: int, angle: Tensor) -> OrientedPoints:
    """Lift the arm on one side of x by `angle` (B,): the limb, or the outer upper part of the box."""
    if pose.has_limbs:
        return turn_limb(o, pose, ARM_P if sign > 0 else ARM_M, angle * sign, 2)
    if pose.roles.left is not None or pose.roles.right is not None:
        return lift_part(o, pose, pose.roles.right if sign > 0 else pose.roles.left, sign, angle)
    return flap_side(o, pose, sign, angle)


def flap_side(o: OrientedPoints, pose: Pose, sign: int, angle: Tensor) -> OrientedPoints:
    """Spread the outer part of a body without limbs on one side of x, below its head, as a wing that lies at it."""
    if pose.skeleton.is_stiff:
        return o
    mid, half = float(pose.middle[0]), float(pose.size[0]) / 2
    low, height = float(pose.skeleton.low[1]), float(pose.height)
    out = ramp(o.points, 0, mid + sign * WING[0] * half, mid + sign * half)
    below = ramp(o.points, 1, low + WING[2] * height, low + WING[1] * height)
    above = ramp(o.points, 1, low, low + WING[3] * height)
    shoulder = pose.point(0.5 + sign * 0.3, WING[1])
    spread = sign * SPREAD * angle.clamp_min(0)
    return turn(o, pose, out * below * above * spread[:, None], 2, shoulder)


def lift_region(o: OrientedPoints, pose: Pose, sign: int, angle: Tensor) -> OrientedPoints:
    """Lift the outer upper part of the box on one side of x."""
    mid, half = float(pose.middle[0]), float(pose.size[0]) / 2
    low, height = float(pose.skeleton.low[1]), float(pose.height)
    out = ramp(o.points, 0, mid, mid + sign * half)
    up = ramp(o.points, 1, low + 0.1 * height, low + 0.65 * height)
    return displace(o, out * up * (LIFT * height * angle * pose.strength)[:, None])


def lift_arms(o: OrientedPoints, pose: Pose, left: Tensor, right: Tensor) -> OrientedPoints:
    return lift_side(lift_side(o, pose, 1, left), pose, -1, right)


def turn_head(o: OrientedPoints, pose: Pose, angle: Tensor, axis: int) -> OrientedPoints:
    """Turn the head: the limb, or softly the upper part of the box, if that bends."""
    if pose.has(HEAD):
        return turn_limb(o, pose, HEAD, angle, axis)
    if pose.roles.head is not None:
        return turn_part(o, pose, pose.roles.head, angle, axis)
    if pose.skeleton.is_stiff:
        return o
    low, height = float(pose.skeleton.low[1]), float(pose.height)
    upper = ramp(o.points, 1, low + 0.3 * height, low + 0.85 * height)
    return turn(o, pose, upper * angle[:, None], axis, pose.point(0.5, 0.4))


def step(o: OrientedPoints, pose: Pose, stride: Tensor) -> OrientedPoints:
    """Swing legs against each other; without legs, turn the whole body to and fro; stride (B,) in -1 .. 1."""
    if pose.has_limbs:
        o = turn_limb(o, pose, LEG_P, -30 * DEGREE * stride, 0)
        return turn_limb(o, pose, LEG_M, 30 * DEGREE * stride, 0)
    if pose.roles.legs:
        return step_with_parts(o, pose, stride)
    return turn(o, pose, 14 * DEGREE * stride, 1, pose.middle)


def step_with_parts(o: OrientedPoints, pose: Pose, stride: Tensor) -> OrientedPoints:
    """Swing an image's legs in turn: in the image if it shows the side of the subject, else to and fro, lifted."""
    for legs, reach in ((pose.roles.feet, 16.0), (pose.roles.legs, 26.0)):
        for k, leg in enumerate(legs):
            swing = stride * (1 if k % 2 == 0 else -1)
            if pose.roles.is_sideways:
                o = turn_part(o, pose, leg, reach * DEGREE * swing, 2)
            else:
                up = 0.08 * pose.height * swing.clamp_min(0) * pose.strength
                o = turn_part(o, pose, leg, -reach * DEGREE * swing, 0)
                o = displace(o, part_field(o, pose, leg, up))
    return o


def bend(o: OrientedPoints, pose: Pose, angle: Tensor, axis: int = 2) -> OrientedPoints:
    """Lean with the feet fixed: the angle grows with the height above the floor."""
    return turn(o, pose, height_ramp(o, pose, 1.2) * angle[:, None], axis, pose.foot)
