"""Motions: pure functions of points and time, the identity at time 0 and back there at time 1.

A subject with limbs moves its limbs, one made from an image the parts of its outline; anything else moves soft regions
of its bounding box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import pi

import torch
from torch import Tensor

from .pose import (
    DEGREE,
    Manner,
    Pose,
    bend,
    flap_side,
    height_ramp,
    lift_arms,
    lift_region,
    lift_side,
    rise,
    sine,
    squeeze,
    step,
    step_back,
    swell,
    travel,
    turn,
    turn_head,
    turn_limb,
    turn_part,
)
from .puppet.pieces import fit_similarity
from .subject import ARM_M, ARM_P, HEAD, TAIL, Skeleton, Surfels
from .warps import OrientedPoints, ScalarField

AS_USUAL = Manner()
WAVING = (-30.0, 35.0, 70.0)  # degrees: lowest turn, elevation at which a limb waves, highest turn
SWING, WIDEST_SWING = 28.0, 45.0  # degrees to both sides of it, and those of a limb too short to move far with them
FAR = 0.2  # of the height: how far a waving limb's tip moves to both sides
BEATING = (-35.0, 15.0, 40.0)  # the same of a wing


def move(
    motion: str,
    surfels: Surfels,
    time: Tensor,
    skeleton: Skeleton,
    gain: float = 1.0,
    manner: Manner = AS_USUAL,
) -> OrientedPoints:
    """Move N surfels to each time (B,): points and normals (B, N, 3). An unknown motion leaves them at rest."""
    rest = (surfels.points.expand(len(time), -1, -1), surfels.normals.expand(len(time), -1, -1))
    o = OrientedPoints(*rest)
    if motion not in MOTION_TABLE or manner.strength == 0:
        return o
    time = time if manner.speed == 1 else (time * manner.speed) % 1.0
    weights = None if skeleton.parts is None else ScalarField(*skeleton.parts.turned(surfels.points))
    pose = Pose(time, surfels.limb, skeleton, gain, manner.strength, weights)
    if skeleton.pieces is not None:
        return _move_pieces(motion, surfels, pose)
    return _moved(motion, o, pose)


def _moved(motion: str, o: OrientedPoints, pose: Pose) -> OrientedPoints:
    o = MOTION_TABLE[motion](o, pose)
    return step_back(o, pose) if pose.crowding else o


def _move_pieces(motion: str, surfels: Surfels, pose: Pose) -> OrientedPoints:
    """Move each piece as a whole, as the motion moves its box, at its own time."""
    pieces = pose.skeleton.pieces
    index = pieces.index_of(surfels.points)
    points = surfels.points.repeat(len(pose.time), 1, 1)
    normals = surfels.normals.repeat(len(pose.time), 1, 1)
    for k, corners in enumerate(pieces.corners):
        box = OrientedPoints(*(corners.expand(len(pose.time), -1, -1),) * 2)
        moved = _moved(motion, box, replace(pose, time=pieces.time_of(k, pose.time)))
        scale, rotation, offset = fit_similarity(corners, moved.points)
        mine = index == k
        points[:, mine] = scale[:, None, None] * surfels.points[mine] @ rotation.transpose(1, 2) + offset[:, None]
        normals[:, mine] = surfels.normals[mine] @ rotation.transpose(1, 2)
    return OrientedPoints(points, normals)


def jump(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Crouch, one high hop, land."""
    flight = ((pose.time - 0.18) / 0.64).clamp(0, 1)
    height = 4 * flight * (1 - flight)
    crouch = 0.16 * (swell(pose, 0.0, 0.24) + swell(pose, 0.76, 1.0))
    has_arms = pose.has_limbs or pose.roles.left is not None or pose.roles.right is not None
    raised = (50 if has_arms else 15) * DEGREE * height
    o = lift_arms(o, pose, raised, raised)
    o = squeeze(o, pose, 1 - crouch + 0.07 * swell(pose, 0.2, 0.55), pose.foot)
    return rise(o, pose, 0.42 * pose.gain * pose.height * height)


def bounce(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Two hops like a rubber ball, flat where it touches the ground."""
    height = sine(pose).abs()
    flat = 0.20 * swell(pose, 0.41, 0.59)
    o = squeeze(o, pose, 1 - flat + 0.08 * height**2, pose.foot)
    return rise(o, pose, 0.30 * pose.gain * pose.height * height)


def sway(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Bend to both sides like a tree in the wind."""
    return bend(o, pose, 30 * DEGREE * pose.gain * sine(pose))


def spin(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """One full turn about the upright axis, whatever the strength."""
    return turn(o, replace(pose, strength=1.0), 2 * pi * pose.time, 1, pose.middle)


def wave(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Raise one arm and wave it twice; without an arm, the head and the whole body, or one side."""
    up = swell(pose) ** 0.7
    if pose.roles.waver is not None:
        part = pose.roles.waver
        is_leg = part in pose.roles.legs or part in pose.roles.feet
        swing = _towards(pose, part, WAVING) * up + _swing(pose, part) * sine(pose, 3) * up
        return turn_part(o, pose, part, (pose.roles.facing if is_leg else pose.parts.sides[part]) * swing, 2)
    if pose.roles.head is not None:  # what it holds or wears does not bend
        o = turn_head(o, pose, 18 * DEGREE * sine(pose, 2), 2)
        return turn(o, pose, 9 * DEGREE * sine(pose, 2), 2, pose.foot)
    if not pose.has_limbs:
        o = flap_side(o, pose, 1, (50 + 25 * sine(pose, 3)) * DEGREE * up)
        return turn(o, pose, -10 * DEGREE * up, 2, pose.foot)
    if pose.has(ARM_P):
        o = lift_side(o, pose, 1, (48 * up + 28 * sine(pose, 3) * up) * DEGREE)
    else:
        o = lift_region(o, pose, 1, 60 * DEGREE * sine(pose, 2))
    return turn_head(o, pose, -8 * DEGREE * up, 2)


def _swing(pose: Pose, part: int) -> float:
    """Return how far a part waves to both sides (radians): wider where it is short against the whole subject."""
    wide = FAR * float(pose.height) / max(pose.parts.lengths[part], 1e-6)
    return min(max(wide, SWING * DEGREE), WIDEST_SWING * DEGREE)


def _towards(pose: Pose, part: int, bounds: tuple[float, float, float]) -> float:
    """Return the turn (radians) that brings a part towards an elevation, within the lowest and the highest turn."""
    low, elevation, high = bounds
    return min(max(elevation - pose.parts.elevations[part], low), high) * DEGREE


def squash(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Press flat, then stretch tall, feet on the ground."""
    return squeeze(o, pose, 1 - 0.26 * pose.gain * sine(pose), pose.foot)


def walk(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Two waddling steps to one side and two back; legs seen from their side stride without the waddle."""
    stride = sine(pose, 2)
    o = step(o, pose, stride)
    o = turn_limb(turn_limb(o, pose, ARM_P, 25 * DEGREE * stride, 0), pose, ARM_M, -25 * DEGREE * stride, 0)
    most = 12 if not pose.has_limbs and not pose.roles.legs else 9
    waddle = (2 if pose.roles.is_sideways and pose.roles.legs else most) * DEGREE * (1 - pose.crowding) * stride
    o = turn(o, pose, waddle, 2, pose.foot)
    side = 0.16 * pose.gain * pose.height * sine(pose)
    bob = 0.04 * (1 - pose.crowding) * pose.height * stride**2 + tipped(pose, waddle)
    return travel(o, pose, torch.stack((side, bob, torch.zeros_like(bob)), 1))


def fly(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Rise and hover with beating wings; a side without one spreads, unless it is the subject's back or breast."""
    aloft = swell(pose)
    beat = 42 * DEGREE * sine(pose, 3) * aloft**0.5 + 30 * DEGREE * aloft
    wings = {1: pose.roles.right, -1: pose.roles.left}
    if wings == {1: None, -1: None}:
        o = lift_arms(o, pose, beat, beat)
    else:
        for side, wing in wings.items():
            if wing is not None:
                swing = 36 * DEGREE * sine(pose, 3) * aloft**0.5 + _towards(pose, wing, BEATING) * aloft
                o = turn_part(o, pose, wing, side * swing, 2)
            elif not pose.roles.is_sideways:
                o = flap_side(o, pose, side, beat)
    o = turn(o, pose, 12 * DEGREE * aloft, 0, pose.middle)
    drift = 0.10 * pose.gain * pose.height * sine(pose)
    height = 0.40 * pose.gain * pose.height * aloft + 0.03 * pose.height * sine(pose, 3) * aloft
    return travel(o, pose, torch.stack((drift, height, torch.zeros_like(height)), 1))


def dance(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Hips left and right, a twist, arms in turn and a little hop on each beat."""
    beat, hop = sine(pose), sine(pose, 2) ** 2
    o = lift_arms(o, pose, 50 * DEGREE * beat.clamp_min(0), 50 * DEGREE * (-beat).clamp_min(0))
    o = turn_head(o, pose, 12 * DEGREE * beat, 2)
    o = turn(o, pose, height_ramp(o, pose, 1.0) * (34 * DEGREE * sine(pose, 2))[:, None], 1, pose.middle)
    o = squeeze(o, pose, 1 - 0.07 * hop, pose.foot)
    o = bend(o, pose, -17 * DEGREE * beat)
    side = torch.stack((0.06 * pose.height * beat, 0.12 * pose.gain * pose.height * hop, 0 * beat), 1)
    return travel(o, pose, side)


def nod(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Bow the head twice."""
    down = sine(pose) ** 2
    if pose.roles.head is not None and pose.roles.is_sideways:
        return turn_part(o, pose, pose.roles.head, -pose.roles.facing * 26 * DEGREE * down, 2)
    o = turn_head(o, pose, 26 * DEGREE * down, 0)
    return bend(o, pose, (10 if pose.roles.head is None else 4) * DEGREE * down, axis=0)


def twist(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Wring about the upright axis, feet fixed."""
    return turn(o, pose, height_ramp(o, pose, 1.0) * (70 * DEGREE * sine(pose))[:, None], 1, pose.middle)


def rock(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Tip to both sides as one piece, like a rocking toy."""
    angle = 18 * DEGREE * pose.gain * sine(pose)
    o = turn_limb(o, pose, TAIL, -angle, 2)
    o = turn(o, pose, angle, 2, pose.foot)
    return travel(o, pose, torch.stack((-0.25 * pose.size[0] * angle, tipped(pose, angle), 0 * angle), 1))


def wag(o: OrientedPoints, pose: Pose) -> OrientedPoints:
    """Swing the tail to both sides; without one, the whole body about its upright axis."""
    swing = sine(pose, 3) * swell(pose) ** 0.25
    if pose.has(TAIL):
        return turn_limb(turn_limb(o, pose, TAIL, 30 * DEGREE * swing, 1), pose, HEAD, 6 * DEGREE * swing, 2)
    if pose.roles.tail is None:
        return turn(o, pose, 20 * DEGREE * swing, 1, pose.middle)
    o = turn_part(o, pose, pose.roles.tail, 32 * DEGREE * swing, 2)
    return turn_part(o, pose, pose.roles.tail, 20 * DEGREE * swing, 1)


def tipped(pose: Pose, angle: Tensor) -> Tensor:
    """Return the rise that keeps the lower corner of a body that tips sideways on the floor."""
    return 0.5 * pose.size[0] * angle.abs().sin()


MOTION_TABLE: dict[str, Callable[[OrientedPoints, Pose], OrientedPoints]] = {
    "jump": jump, "bounce": bounce, "sway": sway, "spin": spin, "wave": wave, "squash": squash,
    "walk": walk, "fly": fly, "dance": dance, "nod": nod, "twist": twist, "rock": rock, "wag": wag,
}
