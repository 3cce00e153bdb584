"""Non-rigid registration: one template's vertices and faces, moved onto each frame's surface in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...utils.progress import ProgressCounter
from .arap import ArapSolver
from .mesh import EmptySurfaceError, Frame, Mesh, Segment, diagonal, sample_surface, vertex_normals
from .quality import distances_to, mean_distance

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

MAX_SEGMENTS = 4  # with more templates than these a flip-book shows the scene better
TARGET_SAMPLES = 12_000  # points on a frame's surface that the template is registered to
COLOUR_WEIGHT = 0.1  # a full step of colour counts as this share of the diagonal: patterns hold the surface in place
MIN_NORMAL_COSINE = 0.2  # of corresponding points: a front never corresponds to a back
STIFFNESS = (30.0, 30.0, 30.0, 10.0, 10.0, 10.0, 5.0, 5.0, 3.0, 3.0)  # stiff first: whole limbs, then details. Softer
# than 3 the surface comes nearer still (0.2 % of the diagonal for 0.3 %) but folds over itself where a colour is unsure
MAX_MEAN_DISTANCE = 0.01  # share of the diagonal: above it registration has failed
MAX_COMPLETENESS = 0.02  # share of the diagonal: with 1 % of a frame's surface farther off, smaller steps are tried
DISTANCE_SAMPLES = 6_000  # points on each surface where a distance is only compared with a limit
MAX_STRIDE = 0.06  # share of the diagonal that the fastest 1 % of a surface may move in one step
MAX_STEPS = 4  # from frame to frame, at first
# Share of the diagonal at which a correspondence has half its weight. Cycle: the distance from a vertex to the vertex
# that is nearest to its target. Where the field has lost a limb for a while, the limb is so carried along, not drawn
# into what is left.
CYCLE_DISTANCE = 0.03
FALLOFF_DISTANCE = 0.05

FrameAt = Callable[[float], Frame]  # scene time in [0, 1]; raises EmptySurfaceError


@dataclass(frozen=True)
class Template:
    """The mesh that is moved."""

    mesh: Mesh
    solver: ArapSolver
    size: float  # world units, diagonal of the scene
    frame_at: FrameAt  # of the scene
    progress: ProgressCounter  # reported in each round: raising in it cancels


@dataclass(frozen=True)
class Target:
    """A frame's surface as a point cloud that a template is registered to."""

    mesh: Mesh
    size: float  # world units, diagonal of the scene

    @cached_property
    def cloud(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # points, normals, colours: (TARGET_SAMPLES, 3)
        mesh = self.mesh
        points, face, weights = sample_surface(mesh.vertices, mesh.faces, TARGET_SAMPLES, np.random.default_rng(0))
        normals, colours = ((a[mesh.faces[face]] * weights[:, :, None]).sum(1) for a in (mesh.normals, mesh.colours))
        return points, normals, colours

    @cached_property
    def tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        points, _, colours = self.cloud
        return cKDTree(self.features(points, colours))

    def features(self, points: np.ndarray, colours: np.ndarray) -> np.ndarray:  # (N, 6)
        """Join position and colour into the space in which nearest neighbours correspond."""
        return np.concatenate((points, COLOUR_WEIGHT * self.size * colours), axis=1)


def register_segments(frames: list[Frame], frame_at: FrameAt, progress: ProgressCounter) -> list[Segment] | None:
    """Cover all frames with segments, each in its key frame's colours; None where too many templates are needed.

    A segment grows from its key frame to both sides until registration fails; the rest on either side gets a key frame
    of its own."""
    ranges, segments = [(0, len(frames) - 1)], []
    while ranges:
        first, last = ranges.pop()
        key = choose_key_frame(frames, first, last)
        registered = register_frames(frames, key, (first, last), frame_at, progress)
        reached, mesh = sorted(registered), frames[key].mesh
        vertices = np.stack([registered[k] for k in reached])
        segments.append(Segment(reached[0], vertices, mesh.faces, mesh.colours))
        ranges += [(a, b) for a, b in ((first, reached[0] - 1), (reached[-1] + 1, last)) if a <= b]
        if len(segments) + len(ranges) > MAX_SEGMENTS:
            return None
    return sorted(segments, key=lambda segment: segment.first)


def choose_key_frame(frames: list[Frame], first: int, last: int) -> int:
    """Return the frame with the fewest handles, since what touches in the template can never come apart; of these the
    earliest, which is nearest to the reference image."""
    return min(range(first, last + 1), key=lambda k: genus(frames[k].mesh))


def genus(mesh: Mesh) -> int:
    """Count the handles of a closed surface from its Euler characteristic, parts - (V - E + F) / 2."""
    import trimesh

    surface = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    return int(surface.body_count - surface.euler_number // 2)


def register_frames(
    frames: list[Frame],
    key: int,  # the frame whose mesh is the template
    span: tuple[int, int],  # first and last frame to reach, key between them
    frame_at: FrameAt,
    progress: ProgressCounter,
) -> dict[int, np.ndarray]:  # frame -> (V, 3) float32
    """Register the key frame's mesh to the frames on both sides, each from its neighbour's result, until one fails."""
    size = max(diagonal(frame.mesh.vertices) for frame in frames)
    mesh = frames[key].mesh
    template = Template(mesh, ArapSolver(mesh.vertices.astype(float), mesh.faces), size, frame_at, progress)
    registered = {key: template.solver.rest}
    for step, end in ((1, span[1]), (-1, span[0])):
        for k in range(key + step, end + step, step):
            starts = [registered[k - step]]
            if k - 2 * step in registered:
                starts.append(2.0 * registered[k - step] - registered[k - 2 * step])  # extrapolated
            vertices = register_frame(template, starts, frames[k - step].time, frames[k])
            progress.advance("track")
            if mean_distance((vertices, mesh.faces), frames[k].surface, DISTANCE_SAMPLES) > MAX_MEAN_DISTANCE * size:
                break
            registered[k] = vertices
    return {k: vertices.astype(np.float32) for k, vertices in registered.items()}


def register_frame(
    template: Template,
    starts: list[np.ndarray],  # (V, 3) each, at start_time; the nearest is taken
    start_time: float,
    frame: Frame,
) -> np.ndarray:  # (V, 3)
    """Register the template to a frame, in steps so short that each starts near its end.

    Where part of the surface is missed all the same, twice as many steps are tried; in vain where the field itself is
    torn between two times."""
    n_steps = 1 + min(int(completeness(starts[0], template, frame) / MAX_STRIDE), MAX_STEPS - 1)
    vertices = register_stepwise(template, starts, start_time, frame, n_steps)
    error = completeness(vertices, template, frame)
    if error <= MAX_COMPLETENESS:
        return vertices
    finer = register_stepwise(template, starts[:1], start_time, frame, 2 * n_steps)
    return finer if completeness(finer, template, frame) < error else vertices


def register_stepwise(
    template: Template, starts: list[np.ndarray], start_time: float, frame: Frame, n_steps: int
) -> np.ndarray:  # (V, 3)
    """Register the template to intermediate times, then to the frame; times without a surface are skipped."""
    for k in range(1, n_steps + 1):
        try:
            time = start_time + (frame.time - start_time) * k / n_steps
            step = frame if k == n_steps else template.frame_at(time)
        except EmptySurfaceError:
            continue
        target = Target(step.mesh, template.size)
        distances = [target.tree.query(target.features(start, template.mesh.colours))[0].mean() for start in starts]
        starts = [register_to_target(template, starts[int(np.argmin(distances))], target)]
    return starts[0]


def register_to_target(template: Template, start: np.ndarray, target: Target) -> np.ndarray:  # (V, 3)
    """Alternate correspondences and deformation, less and less stiffly."""
    vertices = start
    for stiffness in STIFFNESS:
        template.progress.report()
        positions, weights = correspondences(vertices, template.mesh, target)
        vertices = template.solver.deform(vertices, positions, weights, stiffness)
    return vertices


def correspondences(
    vertices: np.ndarray, template: Mesh, target: Target
) -> tuple[np.ndarray, np.ndarray]:  # target positions (V, 3), weights (V,)
    """Match each vertex with its nearest target point, and each target point with its nearest vertex."""
    from scipy.spatial import cKDTree

    normals = vertex_normals(vertices, template.faces)
    points, point_normals, point_colours = target.cloud
    features = target.features(vertices, template.colours)
    _, nearest_point = target.tree.query(features)
    _, nearest_vertex = cKDTree(features).query(target.features(points, point_colours))
    vertex = np.concatenate((np.arange(len(vertices)), nearest_vertex))
    point = np.concatenate((nearest_point, np.arange(len(points))))
    distance = np.linalg.norm(points[point] - vertices[vertex], axis=1)
    weight = 1.0 / (1.0 + (distance / (FALLOFF_DISTANCE * target.size)) ** 2)
    weight *= (normals[vertex] * point_normals[point]).sum(1) > MIN_NORMAL_COSINE
    cycle = np.linalg.norm(vertices - vertices[nearest_vertex[nearest_point]], axis=1)
    weight[: len(vertices)] /= 1.0 + (cycle / (CYCLE_DISTANCE * target.size)) ** 2
    weight[len(vertices) :] *= len(vertices) / len(points)  # both directions weigh the same
    total = np.bincount(vertex, weight, len(vertices))
    sums = [np.bincount(vertex, weight * points[point, a], len(vertices)) for a in range(3)]
    return np.stack(sums, axis=1) / np.maximum(total, 1e-9)[:, None], total


def completeness(vertices: np.ndarray, template: Template, frame: Frame) -> float:
    """Return the distance to the template that 1 % of the frame's surface exceeds, as a share of the size: a mean alone
    would not notice an antenna."""
    points = sample_surface(*frame.surface, DISTANCE_SAMPLES, np.random.default_rng(0))[0]
    return float(np.quantile(distances_to(points, (vertices, template.mesh.faces)), 0.99)) / template.size
