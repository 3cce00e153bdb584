"""One surface followed through time: the same points and faces, moved onto each frame's surface in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .distance import one_way, surface_distance
from .mesh import Frame, Mesh, NoSurface, diagonal, spread, vertex_normals
from .rigid import Shape

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

GOALS = 12_000  # points spread over a frame's surface that the template is pulled to
COLOUR_REACH = 0.1  # a full step of colour counts as this share of the diagonal: patterns hold the surface in place
FACING = 0.2  # smallest cosine between normals that may belong together: a front never goes to a back
STIFFNESS = (30.0, 30.0, 30.0, 10.0, 10.0, 10.0, 5.0, 5.0, 3.0, 3.0)  # stiff first: whole limbs, then details. Softer
# than 3 the surface comes nearer still (0.2 % of the diagonal for 0.3 %) but folds over itself where a colour is unsure
LOST = 0.01  # share of the diagonal: a mean distance above it means that tracking has failed
MISSED = 0.02  # share of the diagonal: with 1 % of a frame's surface farther off than this, smaller steps are tried
QUICK = 6_000  # points on each surface where a distance is only compared with a limit
STRIDE = 0.06  # share of the diagonal that the fastest 1 % of a surface may go in one step
MOST_STEPS = 4  # from frame to frame, at first
# Share of the diagonal: a place whose nearest vertex is another one, farther off than this, is not for this vertex.
# Where the field has lost a limb for a moment, the limb is so carried along, not drawn into what is left.
RETURN = 0.03
FAR = 0.05  # share of the diagonal at which a pull has lost half its strength


@dataclass(frozen=True)
class Template:
    """The surface that is moved."""

    mesh: Mesh
    shape: Shape
    size: float  # world units: diagonal of the scene
    heard: Callable[[], None]  # called before each round of fitting: raising in it cancels


@dataclass(frozen=True)
class Goal:
    """A frame's surface as a cloud to be pulled to."""

    mesh: Mesh
    size: float  # world units: diagonal of the scene

    @cached_property
    def cloud(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # points, normals, colours: (GOALS, 3)
        mesh = self.mesh
        points, face, weights = spread(mesh.points, mesh.faces, GOALS, np.random.default_rng(0))
        normals, colours = ((a[mesh.faces[face]] * weights[:, :, None]).sum(1) for a in (mesh.normals, mesh.colours))
        return points, normals, colours

    @cached_property
    def tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        return cKDTree(self.place(self.cloud[0], self.cloud[2]))

    def place(self, points: np.ndarray, colours: np.ndarray) -> np.ndarray:  # (N, 6)
        """Where points lie in space and colour together."""
        return np.concatenate((points, COLOUR_REACH * self.size * colours), axis=1)


def follow(
    frames: list[Frame],
    key: int,  # whose mesh is the template
    span: tuple[int, int],  # first and last frame to reach, key between them
    between: Callable[[float], Frame],  # the scene at any other time
    on_frame: Callable[[], None],
    heard: Callable[[], None],
) -> dict[int, np.ndarray]:  # frame -> (V, 3) float32
    """The template on the frames around its key, each from where its neighbour ended, until one cannot be reached."""
    size = max(diagonal(frame.mesh.points) for frame in frames)
    mesh = frames[key].mesh
    template = Template(mesh, Shape(mesh.points.astype(float), mesh.faces), size, heard)
    found = {key: template.shape.rest}
    for step, end in ((1, span[1]), (-1, span[0])):
        for k in range(key + step, end + step, step):
            starts = [found[k - step]]
            if k - 2 * step in found:
                starts.append(2.0 * found[k - step] - found[k - 2 * step])  # carried on
            points = approach(template, starts, frames[k - step].time, frames[k], between)
            on_frame()
            if surface_distance((points, template.mesh.faces), frames[k].surface, QUICK) > LOST * size:
                break
            found[k] = points
    return {k: points.astype(np.float32) for k, points in found.items()}


def approach(
    template: Template,
    starts: list[np.ndarray],  # (V, 3) each, at time `since`; the nearest is taken
    since: float,
    frame: Frame,
    between: Callable[[float], Frame],
) -> np.ndarray:  # (V, 3)
    """The template on a frame, as near as it comes: in steps so short that each starts near its end.

    Where part of the surface is missed all the same, twice as many steps are tried; in vain where the field itself is
    torn between two times."""
    steps = 1 + min(int(missed(starts[0], template, frame) / STRIDE), MOST_STEPS - 1)
    points = walk(template, starts, since, frame, between, steps)
    lost = missed(points, template, frame)
    if lost <= MISSED:
        return points
    again = walk(template, starts[:1], since, frame, between, 2 * steps)
    return again if missed(again, template, frame) < lost else points


def walk(
    template: Template,
    starts: list[np.ndarray],
    since: float,
    frame: Frame,
    between: Callable[[float], Frame],
    steps: int,
) -> np.ndarray:  # (V, 3)
    """From moment to moment, the last of which is the frame's. Moments at which nothing is there are passed over."""
    for k in range(1, steps + 1):
        try:
            stop = frame if k == steps else between(since + (frame.time - since) * k / steps)
        except NoSurface:
            continue
        goal = Goal(stop.mesh, template.size)
        start = min(starts, key=lambda points, g=goal: g.tree.query(g.place(points, template.mesh.colours))[0].mean())
        starts = [fitted(template, start, goal)]
    return starts[0]


def missed(points: np.ndarray, template: Template, frame: Frame) -> float:
    """Distance that 1 % of the frame's surface exceeds, a share of the size: a mean alone would not see an antenna."""
    on = spread(*frame.surface, QUICK, np.random.default_rng(0))[0]
    return float(np.quantile(one_way(on, (points, template.mesh.faces)), 0.99)) / template.size


def fitted(template: Template, start: np.ndarray, goal: Goal) -> np.ndarray:  # (V, 3)
    """Pull, and keep the shape, less and less stiffly."""
    points = start
    for stiffness in STIFFNESS:
        template.heard()
        goals, pull = pulls(points, template.mesh, goal)
        points = template.shape.moved(points, goals, pull, stiffness)
    return points


def pulls(
    points: np.ndarray, template: Mesh, goal: Goal
) -> tuple[np.ndarray, np.ndarray]:  # goals (V, 3), strengths (V,)
    """Each vertex goes to the nearest place of its colour, and each place of the goal calls its nearest vertex."""
    from scipy.spatial import cKDTree

    normals = vertex_normals(points, template.faces)
    there, there_normals, there_colours = goal.cloud
    here = goal.place(points, template.colours)
    _, to = goal.tree.query(here)
    _, called = cKDTree(here).query(goal.place(there, there_colours))
    vertex = np.concatenate((np.arange(len(points)), called))
    place = np.concatenate((to, np.arange(len(there))))
    apart = np.linalg.norm(there[place] - points[vertex], axis=1)
    strength = 1.0 / (1.0 + (apart / (FAR * goal.size)) ** 2)
    strength *= (normals[vertex] * there_normals[place]).sum(1) > FACING
    away = np.linalg.norm(points - points[called[to]], axis=1)
    strength[: len(points)] /= 1.0 + (away / (RETURN * goal.size)) ** 2
    strength[len(points) :] *= len(points) / len(there)  # both directions weigh the same
    total = np.bincount(vertex, strength, len(points))
    sums = [np.bincount(vertex, strength * there[place, a], len(points)) for a in range(3)]
    return np.stack(sums, axis=1) / np.maximum(total, 1e-9)[:, None], total
