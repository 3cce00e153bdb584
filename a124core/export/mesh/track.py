"""One surface followed through time: the same points and faces, moved onto each frame's surface in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .nouns import Mesh, diagonal, spread, vertex_normals
from .rigid import Shape

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

GOALS = 12_000  # points spread over a frame's surface that the template is pulled to
COLOUR_REACH = 0.1  # a full step of colour counts as this share of the diagonal: patterns hold the surface in place
FACING = 0.2  # smallest cosine between normals that may belong together: a front never goes to a back
STIFFNESS = (30.0, 30.0, 30.0, 10.0, 10.0, 10.0, 5.0, 5.0, 3.0, 3.0)  # stiff first: whole limbs, then details. Softer
# than 3 the surface comes nearer still (0.2 % of the diagonal for 0.3 %) but folds over itself where a colour is unsure
FAR = 0.05  # share of the diagonal at which a pull has lost half its strength


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
    shape: Shape,
    colours: np.ndarray,  # (V, 3)
    key: int,  # the frame that the shape is the surface of
    span: tuple[int, int],  # first and last frame, key between them
    frames: list[Mesh],
    holds: Callable[[int, np.ndarray], bool],  # is frame k, at these points, still on the surface?
) -> dict[int, np.ndarray]:  # frame -> (V, 3) float32
    """The shape moved onto the frames around its key, each from where its neighbour ended, until it no longer holds."""
    size = max(diagonal(frames[k].points) for k in range(span[0], span[1] + 1))
    found = {key: shape.rest}
    for step, end in ((1, span[1]), (-1, span[0])):
        for k in range(key + step, end + step, step):
            goal = Goal(frames[k], size)
            points = fitted(shape, colours, _start(found, k, step, colours, goal), goal)
            if not holds(k, points):
                break
            found[k] = points
    return {k: points.astype(np.float32) for k, points in found.items()}


def _start(found: dict[int, np.ndarray], k: int, step: int, colours: np.ndarray, goal: Goal) -> np.ndarray:
    """The last frame's points, or the last two carried on, whichever lies nearer to the goal."""
    options = [found[k - step]]
    if k - 2 * step in found:
        options.append(2.0 * found[k - step] - found[k - 2 * step])
    return min(options, key=lambda points: goal.tree.query(goal.place(points, colours))[0].mean())


def fitted(shape: Shape, colours: np.ndarray, start: np.ndarray, goal: Goal) -> np.ndarray:  # (V, 3)
    """Pull, and keep the shape, less and less stiffly."""
    points = start
    for stiffness in STIFFNESS:
        goals, pull = pulls(points, shape.faces, colours, goal)
        points = shape.moved(points, goals, pull, stiffness)
    return points


def pulls(
    points: np.ndarray, faces: np.ndarray, colours: np.ndarray, goal: Goal
) -> tuple[np.ndarray, np.ndarray]:  # goals (V, 3), strengths (V,)
    """Each vertex goes to the nearest place of its colour, and each place of the goal calls its nearest vertex."""
    from scipy.spatial import cKDTree

    normals = vertex_normals(points, faces)
    there, there_normals, there_colours = goal.cloud
    here = goal.place(points, colours)
    _, to = goal.tree.query(here)
    _, called = cKDTree(here).query(goal.place(there, there_colours))
    vertex = np.concatenate((np.arange(len(points)), called))
    place = np.concatenate((to, np.arange(len(there))))
    apart = np.linalg.norm(there[place] - points[vertex], axis=1)
    strength = 1.0 / (1.0 + (apart / (FAR * goal.size)) ** 2)
    strength *= (normals[vertex] * there_normals[place]).sum(1) > FACING
    strength[len(points) :] *= len(points) / len(there)  # both directions weigh the same
    total = np.bincount(vertex, strength, len(points))
    sums = [np.bincount(vertex, strength * there[place, a], len(points)) for a in range(3)]
    return np.stack(sums, axis=1) / np.maximum(total, 1e-9)[:, None], total
