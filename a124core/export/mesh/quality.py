"""How far meshes are from the surfaces they stand for: at their frames, and half-way between two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .distance import SPREAD, one_way
from .mesh import Frame, NoSurface, Surface, face_vectors, spread
from .outside import seen
from .scene import Stretch

MOST = 0.99  # share of the points that the larger figures are told of: a mean alone would not see an antenna
MUCH = 0.025  # share of the scene's size: with 1 % of the scene farther off than this, the user is told what to do.
# The demo robot (docs/exports.md): 4.8, 2.3, 1.5 % half-way with 4, 8, 16 frames; at the frames 1.5 % or less


@dataclass(frozen=True)
class Off:
    """Distance between a mesh and the field's own surface at one time, as shares of the scene's size."""

    frame: int  # at this frame, or half-way from it to the next
    mean: float  # of both directions, and so is the median
    median: float
    missed: float  # MOST of what is seen of the surface is nearer: above it, the mesh lacks a part of the scene
    beyond: float  # MOST of the mesh is nearer to the surface: above it, the mesh carries what the field has lost


def off_by(frame: int, mesh: Surface, surface: Surface, size: float) -> Off:
    """size: world units, the diagonal of the scene."""
    rng = np.random.default_rng(0)
    here, (there, face, _) = spread(*mesh, SPREAD, rng)[0], spread(*surface, SPREAD, rng)
    back, forth = one_way(here, surface) / size, one_way(there, mesh) / size
    ways = np.stack((back, forth))
    outside = seen(there, face_vectors(*surface)[face], surface, size)
    missed, beyond = np.quantile(forth[outside], MOST), np.quantile(back, MOST)
    return Off(frame, float(ways.mean()), float(np.median(ways)), float(missed), float(beyond))


def off_at_frames(
    stretches: list[Stretch], frames: list[Frame], size: float, heard: Callable[[], None]
) -> list[Off]:
    """Each frame against its own full surface."""
    found = []
    for stretch in stretches:
        for k, points in enumerate(stretch.points, start=stretch.first):
            heard()
            found.append(off_by(k, (points, stretch.faces), frames[k].surface, size))
    return found


def off_between(
    stretches: list[Stretch],
    times: np.ndarray,  # (F,) of the frames
    surface_at: Callable[[float], Surface],
    size: float,
) -> Off | None:
    """Half-way along the longest move from a frame to the next, where a mesh that goes straight is farthest from the
    scene. None: nothing moves from frame to frame, or nothing is there half-way."""
    move = longest_move(stretches)
    if move is None:
        return None
    stretch, k = move
    frame = stretch.first + k
    try:
        surface = surface_at(float(times[frame : frame + 2].mean()))
    except NoSurface:
        return None
    return off_by(frame, (stretch.points[k : k + 2].mean(0), stretch.faces), surface, size)


def longest_move(stretches: list[Stretch]) -> tuple[Stretch, int] | None:
    """The stretch and which of its frames it leaves, by the distance that the fastest 1 % of its vertices go."""
    found = [
        (float(np.quantile(np.linalg.norm(stretch.points[k + 1] - stretch.points[k], axis=1), MOST)), stretch, k)
        for stretch in stretches
        for k in range(len(stretch.points) - 1)
    ]
    return max(found, key=lambda move: move[0])[1:] if found else None


def told(
    at: list[Off],
    between: Off | None,
    frames: int,
    moves: bool,  # no: a still or a flip-book, which has nothing to change but its resolution and faces
) -> list[str]:
    """One short sentence on the worst frame and one on the fastest move. Where a moving mesh is too far off, they say
    what is missed and what to do."""
    worst = max(at, key=lambda off: off.missed)
    where = f"At frame {worst.frame}, the worst, " if frames > 1 else ""
    found = [_near(where, worst)]
    if moves and worst.missed > MUCH:
        found = [_far(f"At frame {worst.frame} a part of the scene is missed", worst)
                 + "export a flip-book, PLY or OBJ sequence, or take more frames."]  # fmt: skip
    if between is None:
        return found
    move = f"etween frames {between.frame} and {between.frame + 1}"
    beside = max((off.missed for off in at if off.frame in (between.frame, between.frame + 1)), default=0.0)
    if between.missed > max(MUCH, beside):  # what both frames lack already is no fault of their distance
        return [*found, _far(f"B{move} the mesh misses a fast move", between) + f"take more than {frames} frames."]
    return [*found, _near(f"Half-way b{move}, the fastest move, ", between)]


def _near(where: str, off: Off) -> str:
    half, most = (f"{100 * v:.2f}" for v in (off.median, off.missed))
    said = f"{where}half of the surface is within {half} % of the scene's size, 99 % of what is seen within {most} %."
    return said[0].upper() + said[1:]


def _far(what: str, off: Off) -> str:
    return f"{what} (1 % of what is seen is off by {100 * off.missed:.1f} % of the scene's size or more): "
