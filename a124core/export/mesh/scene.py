"""A scene as stretches of frames, each with its own template: one where tracking holds, one a frame in a flip-book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .clean import edges
from .distance import surface_distance
from .nouns import Mesh, diagonal, vertex_normals
from .rigid import Shape
from .track import follow

Surface = tuple[np.ndarray, np.ndarray]  # points (V, 3), faces (F, 3)

LOST = 0.015  # share of the diagonal: farther from the frame's surface than this, tracking has failed there
MOST_STRETCHES = 4  # with more templates than these a flip-book says it better
STILL = 0.001  # share of the diagonal: a scene whose surface moves less stands still
QUICK = 6_000  # points on each surface where a distance is only compared with a limit


@dataclass(frozen=True)
class Stretch:
    """Frames first .. first + K - 1 with the same points and faces."""

    first: int
    points: np.ndarray  # (K, V, 3) float32
    faces: np.ndarray  # (F, 3) int32
    colours: np.ndarray  # (V, 3) sRGB in [0, 1], the same in all its frames

    @property
    def last(self) -> int:
        return self.first + len(self.points) - 1

    def normals(self) -> np.ndarray:  # (K, V, 3)
        return np.stack([vertex_normals(points, self.faces) for points in self.points])


@dataclass(frozen=True)
class Scene:
    """All frames of an animation, in stretches that follow one another."""

    stretches: list[Stretch]
    fps: float
    loop: bool  # the last frame is followed by the first

    @property
    def frames(self) -> int:
        return self.stretches[-1].last + 1


def flip_book(meshes: list[Mesh]) -> list[Stretch]:
    """Every frame its own mesh."""
    return [Stretch(k, m.points[None], m.faces, m.colours) for k, m in enumerate(meshes)]


def stands_still(surfaces: list[Surface]) -> bool:
    size = scene_size(surfaces)
    return all(surface_distance(surfaces[0], other, QUICK) < STILL * size for other in surfaces[1:])


def scene_size(surfaces: list[Surface]) -> float:
    """The largest bounding-box diagonal of any frame."""
    return max(diagonal(points) for points, _ in surfaces)


def tracked(meshes: list[Mesh], surfaces: list[Surface], on_frame: Callable[[], None]) -> list[Stretch] | None:
    """Stretches that cover all frames, colours still the key frames' own; None where too many templates are needed.

    A stretch grows from its key frame to both sides until it loses the surface; what is left on either side begins
    anew with a key of its own."""
    limit = LOST * scene_size(surfaces)
    waiting, done = [(0, len(meshes) - 1)], []
    while waiting:
        first, last = waiting.pop()
        key = best_key(meshes, first, last)
        template = meshes[key]

        def holds(k: int, points: np.ndarray, template: Mesh = template) -> bool:
            on_frame()
            return surface_distance((points, template.faces), surfaces[k], QUICK) <= limit

        found = follow(Shape(template.points, template.faces), template.colours, key, (first, last), meshes, holds)
        kept = sorted(found)
        done.append(Stretch(kept[0], np.stack([found[k] for k in kept]), template.faces, template.colours))
        waiting += [(a, b) for a, b in ((first, kept[0] - 1), (kept[-1] + 1, last)) if a <= b]
        if len(done) + len(waiting) > MOST_STRETCHES:
            return None
    return sorted(done, key=lambda stretch: stretch.first)


def best_key(meshes: list[Mesh], first: int, last: int) -> int:
    """The frame with the fewest handles: what touches in the template can never come apart. Then the earliest, which is
    the nearest to the reference picture."""
    return min(range(first, last + 1), key=lambda k: handles(meshes[k].points, meshes[k].faces))


def handles(points: np.ndarray, faces: np.ndarray) -> int:
    """Holes that go through: parts - (V - E + F) / 2, the genus of a closed surface."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    links = edges(faces)
    count = len(points)
    linked = csr_matrix((np.ones(len(links)), links.T), shape=(count, count))
    parts, _ = connected_components(linked, directed=False)
    return int(parts - (count - len(links) + len(faces)) // 2)
