"""A scene as stretches of frames, each with its own template: one where tracking holds, one a frame in a flip-book."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .clean import edges
from .distance import farthest
from .mesh import Frame, Mesh, diagonal, vertex_normals
from .track import follow

MOST_STRETCHES = 4  # with more templates than these a flip-book says it better
STILL = 0.001  # share of the diagonal: a scene no point of whose surface is farther off than this stands still


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


def flip_book(frames: list[Frame]) -> list[Stretch]:
    """Every frame its own mesh."""
    return [Stretch(k, f.mesh.points[None], f.mesh.faces, f.mesh.colours) for k, f in enumerate(frames)]


def stands_still(frames: list[Frame], heard: Callable[[], None]) -> bool:
    """Is every point of every frame where the first frame has one? A mean would not see a finger."""
    limit = STILL * scene_size(frames)
    for frame in frames[1:]:
        heard()
        if farthest(frames[0].surface, frame.surface) >= limit:
            return False
    return True


def scene_size(frames: list[Frame]) -> float:
    """The largest bounding-box diagonal of any frame."""
    return max(diagonal(frame.surface[0]) for frame in frames)


def tracked(
    frames: list[Frame],
    between: Callable[[float], Frame],
    on_frame: Callable[[], None],
    heard: Callable[[], None],  # called more often: raising in it cancels
) -> list[Stretch] | None:
    """Stretches that cover all frames, each in its key frame's colours; None where too many templates are needed.

    A stretch grows from its key frame to both sides until it loses the surface; what is left on either side begins
    anew with a key of its own."""
    waiting, done = [(0, len(frames) - 1)], []
    while waiting:
        first, last = waiting.pop()
        key = best_key(frames, first, last)
        found = follow(frames, key, (first, last), between, on_frame, heard)
        kept, mesh = sorted(found), frames[key].mesh
        done.append(Stretch(kept[0], np.stack([found[k] for k in kept]), mesh.faces, mesh.colours))
        waiting += [(a, b) for a, b in ((first, kept[0] - 1), (kept[-1] + 1, last)) if a <= b]
        if len(done) + len(waiting) > MOST_STRETCHES:
            return None
    return sorted(done, key=lambda stretch: stretch.first)


def best_key(frames: list[Frame], first: int, last: int) -> int:
    """The frame with the fewest handles: what touches in the template can never come apart. Then the earliest, which is
    the nearest to the reference picture."""
    return min(range(first, last + 1), key=lambda k: handles(frames[k].mesh))


def handles(mesh: Mesh) -> int:
    """Holes that go through: parts - (V - E + F) / 2, the genus of a closed surface."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    links = edges(mesh.faces)
    count = len(mesh.points)
    linked = csr_matrix((np.ones(len(links)), links.T), shape=(count, count))
    parts, _ = connected_components(linked, directed=False)
    return int(parts - (count - len(links) + len(mesh.faces)) // 2)
