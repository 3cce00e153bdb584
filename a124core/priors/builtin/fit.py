"""How much of a motion stays in the image: travel is reduced first, then, of a subject made from an image, strength."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import cos, pi, sin, tan

import torch
from torch import Tensor

from .motions import AS_USUAL, move
from .pose import STEP_BACK, Manner
from .subject import MARGIN, Skeleton, Subject, Surfels, view_extent

MIN_GAIN = 0.3  # least share of a built-in subject's motion, even if it leaves the image
AROUND = 0.05  # how much farther than at rest an image's motion may reach as seen from its sides
TRAVELLING = ("jump", "bounce", "sway", "squash", "walk", "fly", "dance", "rock")  # which a smaller gain shortens
OF_ONE_PART, LEAST_STRENGTH = ("wave", "wag", "nod"), 0.5  # motions that are rather weakened than made smaller
DIRECTIONS = 200  # in which the outermost points are looked for
ENOUGH = 0.95  # shares of travel and strength from which nothing is worth a word


@lru_cache(maxsize=64)  # each keeps its subject alive: 3 MB for one made from a picture
def motion_gain(subject: Subject, motion: str, manner: Manner = AS_USUAL) -> float:
    """Find the largest share of a motion's travel that stays in the visible box and in the image: MIN_GAIN to 1, of a
    subject made from an image 0 to 1."""
    least = MIN_GAIN if subject.skeleton.pivots is not None else 0.0
    at_rest = _rest_extent(subject) if subject.skeleton.pivots is not None else 1.0  # of an image it is the unit
    limit = max(1.0, at_rest, _motion_extent(subject, motion, least, manner)) + 1e-4
    low, high = least, 1.0
    if _motion_extent(subject, motion, high, manner) <= limit or _moves_one_part(subject, motion, manner):
        return high
    for _ in range(6):
        middle = (low + high) / 2
        fits = _motion_extent(subject, motion, middle, manner) <= limit
        low, high = (middle, high) if fits else (low, middle)
    return low


def _moves_one_part(subject: Subject, motion: str, manner: Manner) -> bool:
    """Check for a motion of one part that stays in the image with less strength, so that all the rest stands still."""
    weaker = replace(manner, strength=LEAST_STRENGTH * manner.strength)
    is_image = subject.skeleton.pivots is None
    return is_image and motion in OF_ONE_PART and _motion_extent(subject, motion, 1.0, weaker) <= 1.0


@lru_cache(maxsize=64)
def fitting_manner(subject: Subject, motion: str, manner: Manner) -> Manner:
    """Return the manner; of a subject made from an image no stronger than what stays in the image without travel."""
    if subject.skeleton.pivots is not None:
        return manner
    gain = motion_gain(subject, motion, manner)
    if _motion_extent(subject, motion, gain, manner) <= 1.0 + 1e-3:
        return manner
    low, high = 0.0, manner.strength
    for _ in range(6):
        middle = (low + high) / 2
        fits = _motion_extent(subject, motion, gain, replace(manner, strength=middle)) <= 1.0 + 1e-3
        low, high = (middle, high) if fits else (low, middle)
    return replace(manner, strength=low)


def fit_note(subject: Subject, motion: str, manner: Manner) -> str:
    """Return a sentence on what was reduced to keep a subject made from an image in its frame; empty if nothing was."""
    if subject.skeleton.pivots is not None or not manner.strength:
        return ""
    gain, strength = motion_gain(subject, motion, manner), fitting_manner(subject, motion, manner).strength
    notes = []
    if gain < ENOUGH:
        notes.append(f"gets up to {100 * STEP_BACK * (1 - gain):.0f} % smaller")
    if gain < ENOUGH and motion in TRAVELLING:
        notes.append(f"travels {100 * gain:.0f} % as far")
    if strength < ENOUGH * manner.strength:
        notes.append(f"moves with strength {strength:.2g}")
    if not notes:
        return ""
    return f"To stay in the image it {' and '.join(notes)}: more space around the picture lets it move more (recentre)."


def _rest_extent(subject: Subject) -> float:
    surfels, skeleton = _outer_surfels(subject), subject.skeleton
    return view_extent(surfels.points, skeleton.radius, skeleton.fovy)


def _motion_extent(subject: Subject, motion: str, gain: float, manner: Manner) -> float:
    """Measure how far a motion reaches; 1: the edge of the visible box or of the image, or as far as a subject that is
    made from an image may reach."""
    skeleton, times = subject.skeleton, torch.linspace(0, 1, 33)
    surfels = _outer_surfels(subject)
    points = move(motion, surfels, times, skeleton, gain, replace(manner, speed=1)).points
    around = view_extent(points, skeleton.radius, skeleton.fovy)
    if skeleton.pivots is not None:
        return around
    frame = frame_extent(points, skeleton) / max(1.0, frame_extent(surfels.points, skeleton))
    return max(frame, around / (max(1.0, _rest_extent(subject)) + AROUND))


def frame_extent(points: Tensor, skeleton: Skeleton) -> float:
    """Measure how far points (..., 3) reach in the image of the reference camera; 1: its edge, less a margin."""
    angle = skeleton.elevation * pi / 180
    x, y, z = points.unbind(-1)
    up, toward = y * cos(angle) - z * sin(angle), y * sin(angle) + z * cos(angle)
    wide = x.abs().maximum(up.abs()) / (skeleton.radius - toward).clamp_min(0.05)
    return float(wide.max()) / (tan(skeleton.fovy * pi / 360) * MARGIN)


@lru_cache(maxsize=64)
def _outer_surfels(subject: Subject) -> Surfels:
    """Return the surfels by which extents are measured: few, but of an image the outermost of its body and parts."""
    skeleton = subject.skeleton
    if skeleton.pivots is not None:
        return subject.surfels(0.05 * skeleton.radius / 1.8)
    surfels = subject.surfels(0.02 * skeleton.radius / 1.8)
    directions = torch.randn(DIRECTIONS, 3, generator=torch.Generator().manual_seed(0))
    reach = surfels.points @ directions.T
    weights = [] if skeleton.parts is None else list(skeleton.parts.turned(surfels.points)[0])
    masks = [torch.ones(len(reach), dtype=torch.bool), *(weight > 0.5 for weight in weights)]
    if skeleton.pieces is not None:
        index = skeleton.pieces.index_of(surfels.points)
        masks += [index == k for k in range(len(skeleton.pieces))]
    outer = torch.cat([reach.masked_fill(~mask[:, None], -1e9).argmax(0) for mask in masks]).unique()
    return Surfels(*(value[outer] for value in vars(surfels).values()))
