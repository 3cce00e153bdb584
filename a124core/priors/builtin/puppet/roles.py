"""What the parts of a silhouette are, by their place and shape: head, legs, tail, and limbs that stick out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .silhouette import Silhouette

MIN_LIMB = 0.15  # length of a part that moves by itself, against the longer side of the silhouette
STICK = 0.026  # half width, against the longer side, below which a part is a stick or string and no limb
LARGEST_LIMB = 0.35  # area of a limb, share of the silhouette's; larger is another body
FLOOR = 0.14  # of the height; a leg reaches this near to the floor
STEEP = 0.64  # cosine of a leg's largest angle to the vertical
HEAD_RISE = 0.05  # of the height; a head's middle lies so far above the body's
RISEN = 0.15  # added to the rise of a part's tip above the body's middle, in heights: high ones are heads
WIDE = 1.25  # width against height from which a head is expected at an end
SIDEWAYS = 0.13  # of the width; a head so far from the body's middle is seen from the side
LOW = 0.55  # of the height, from the top; a tail is joined below
TWIN, TWIN_SIZE = 0.15, 0.6  # twins: difference in height, in heights, and least share of area and half width
TWIN_ASIDE = 0.25  # least share of one's distance from the body's middle line in the other's
TOP_SHARE = 0.3  # of a head in a part on it that is the head itself, on a neck or trunk


@dataclass(frozen=True)
class Roles:
    """Indices of the parts that motions turn; None or empty: the silhouette has none."""

    head: int | None = None
    tail: int | None = None
    waver: int | None = None  # the limb that waves
    legs: tuple[int, ...] = ()  # from left to right
    feet: tuple[int, ...] = ()  # lower parts of legs that are joined above
    left: int | None = None  # limb that sticks out on the side of -x
    right: int | None = None
    is_sideways: bool = False  # the subject is seen from its side
    facing: int = 1  # side of x on which the head of one seen from the side is


def name_parts(silhouette: Silhouette) -> Roles:
    """Name the parts of a silhouette by place and shape."""
    return _Naming(silhouette).roles()


class _Naming:
    """Names for the parts of one silhouette."""

    def __init__(self, silhouette: Silhouette) -> None:
        cells = np.argwhere(silhouette.inside)
        self.area = len(cells)
        self.size = float(np.ptp(cells, axis=0).max() + 1)
        (self.top, _), (self.floor, _) = cells.min(0), cells.max(0)
        self.height = max(float(self.floor - self.top), 1.0)
        self.width = max(float(np.ptp(cells[:, 1])), 1.0)
        self.root = silhouette.root
        self.parts = silhouette.parts
        self.large = [i for i, part in enumerate(self.parts) if part.length >= MIN_LIMB * self.size]

    def roles(self) -> Roles:
        """Choose legs, then head, tail and limbs among the others."""
        standing = [i for i in self.large if self._is_leg(i) and not self._is_on_another(i)]
        legs = [i for i in standing if self.parts[i].parent not in standing]
        feet = [i for i in standing if self.parts[i].parent in standing]
        legs = legs if len(legs) + len(feet) > 1 else []
        head = self._head([i for i in self.large if i not in standing and self.parts[i].parent < 0])
        free = [i for i in self.large if i not in legs and i not in feet and not self._is_inside(i, head)]
        free = [i for i in free if head is None or not self._is_inside(head, i)]
        free = [i for i in free if not self._is_on_another(i)]
        facing, is_sideways = self._facing(head, legs)
        tail = self._tail(free, head, is_sideways)
        is_tail = tail is not None and (is_sideways or self._drop(tail) >= LOW)  # else it may be an arm
        limbs = [i for i in free if i not in standing and not (is_tail and i == tail)]
        limbs = [i for i in limbs if self.parts[i].half_width >= STICK * self.size]
        waver = max(limbs, key=lambda i: (self._raised(i), i), default=None)
        if waver is None and is_sideways and legs:
            waver = max(feet or legs, key=lambda i: facing * self.parts[i].tip[0])
        left, right = (self._outermost(limbs, side) for side in (-1, 1))
        if is_sideways and waver in limbs and left is None and right is None:  # a wing seen from the side
            left, right = (waver, None) if facing > 0 else (None, waver)
        return Roles(head, tail, waver, self._ordered(legs), self._ordered(feet), left, right, is_sideways, facing)

    def _ordered(self, indices: list[int]) -> tuple[int, ...]:
        return tuple(sorted(indices, key=lambda i: (self.parts[i].tip[0], i)))

    def _drop(self, i: int) -> float:
        """Return how far below the top a part is joined, in heights."""
        return float(self.parts[i].joint[1] - self.top) / self.height

    def _is_inside(self, i: int, other: int | None) -> bool:
        """Check whether a part is another one or sits on it."""
        while i >= 0 and i != other:
            i = self.parts[i].parent
        return i == other

    def _is_on_another(self, i: int) -> bool:
        """Check whether a part is, or sits on, one that is too large for a limb: another body."""
        while i >= 0 and self.parts[i].area <= LARGEST_LIMB * self.area:
            i = self.parts[i].parent
        return i >= 0

    def _is_leg(self, i: int) -> bool:
        """Check whether a part stands on the floor and is joined above it."""
        part = self.parts[i]
        down = part.foot - part.joint
        return bool(part.foot[1] >= self.floor - FLOOR * self.height and down[1] >= STEEP * np.hypot(*down))

    def _head(self, choices: list[int]) -> int | None:
        """Return the fullest part for its length above the body's middle; in a wide silhouette it is at an end."""
        above = [i for i in choices if self.parts[i].centre[1] < self.root[1] - HEAD_RISE * self.height]
        above = [i for i in above if not any(self._are_twins(i, j) for j in choices)]
        is_wide = self.width > WIDE * self.height

        def fullness(i: int) -> float:
            part = self.parts[i]
            aside = abs(part.centre[0] - self.root[0]) / (0.5 * self.width)
            rise = max(0.0, float(self.root[1] - part.tip[1])) / self.height
            return part.area / part.length**2 * (0.6 + aside if is_wide else 1.0) * (RISEN + rise) ** 2

        head = max(above, key=lambda i: (fullness(i), i), default=None)
        while head is not None and (tops := self._tops(head)):
            head = max(tops, key=lambda i: (fullness(i), i))
        return head

    def _tops(self, head: int) -> list[int]:
        """Return the parts on a head that are much of it and rise from it."""
        on_it = [i for i, part in enumerate(self.parts) if part.parent == head]
        return [i for i in on_it if self.parts[i].area >= TOP_SHARE * self.parts[head].area
                and self.parts[i].centre[1] < self.parts[head].centre[1]]

    def _are_twins(self, i: int, j: int) -> bool:
        """Check whether two parts are alike on both sides of the body, as arms and wings are."""
        a, b = self.parts[i], self.parts[j]
        one, other = a.joint[0] - self.root[0], b.joint[0] - self.root[0]
        is_as_high = abs(a.joint[1] - b.joint[1]) < TWIN * self.height
        ratios = (a.area / b.area, a.half_width / b.half_width)
        is_as_far = min(abs(one), abs(other)) >= TWIN_ASIDE * max(abs(one), abs(other))
        return bool(one * other < 0 and is_as_far and is_as_high and all(TWIN_SIZE < r < 1 / TWIN_SIZE for r in ratios))

    def _facing(self, head: int | None, legs: list[int]) -> tuple[int, bool]:
        """Return the side of x that the subject faces, and whether it is seen from its side."""
        if head is None:
            return 1, self.width > WIDE * self.height
        aside = self.parts[head].joint[0] - self.root[0]
        return (1 if aside > 0 else -1), bool(abs(aside) > SIDEWAYS * self.width)

    def _tail(self, free: list[int], head: int | None, is_sideways: bool) -> int | None:
        """Return the outermost part that is neither head nor leg; low ones and those far from the head first."""

        def score(i: int) -> float:
            part = self.parts[i]
            aside = abs(part.tip[0] - self.root[0]) / self.width
            from_head = 0.0 if head is None else np.hypot(*(part.joint - self.parts[head].joint)) / self.size
            return aside + 0.8 * self._drop(i) + from_head + (0.5 if is_sideways and self._is_behind(i, head) else 0.0)

        return max(free, key=lambda i: (score(i), i), default=None)

    def _is_behind(self, i: int, head: int | None) -> bool:
        """Check whether a part is on the other side of the body's middle than the head."""
        aside = self.parts[i].tip[0] - self.root[0]
        return head is None or aside * (self.parts[head].joint[0] - self.root[0]) < 0

    def _raised(self, i: int) -> float:
        """Return how raised and far out a limb is."""
        part = self.parts[i]
        return float(1.5 * (part.joint[1] - part.tip[1]) + abs(part.tip[0] - self.root[0])) / self.size

    def _outermost(self, limbs: list[int], side: int) -> int | None:
        """Return the limb that sticks out farthest on one side of x."""
        aside = {i: side * (self.parts[i].tip[0] - self.root[0]) for i in limbs}
        out = [i for i in limbs if aside[i] > 0 and side * (self.parts[i].joint[0] - self.root[0]) > 0]
        return max(out, key=lambda i: (aside[i], i), default=None)
