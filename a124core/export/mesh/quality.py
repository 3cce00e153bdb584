"""How far meshes are from the field's surface, at their frames and between them; and sentences on it for the user."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .mesh import EmptySurfaceError, Frame, MeshSequence, Segment, Surface, diagonal, face_vectors, sample_surface

SAMPLES = 10_000  # points on each surface
CANDIDATES = 16  # faces tried for each point: those whose centres are nearest
MAX_PARTS = 256  # of the diagonal: a large face has a centre for each of its parts, none smaller than this fraction
QUANTILE = 0.99  # of the larger errors: a mean alone would not notice an antenna
MAX_COMPLETENESS = 0.025  # share of the scene's size: above it the user is advised. The demo robot (docs/exports.md):
# 4.8, 2.3, 1.5 % half-way with 4, 8, 16 frames; at the frames 1.5 % or less
VIEWS = np.array([view for view in itertools.product((-1.0, 0.0, 1.0), repeat=3) if any(view)])  # (26, 3)
DEPTH_CELLS = 64  # of a depth map along the scene's size. What lies more than a cell's side behind the front is hidden:
# a free surface never does in its nearest view, which it turns away from by 27 degrees at most
DEPTH_SAMPLES = 50_000  # points on the surface that make a depth map: ten a cell of the demo robot leave no gaps


@dataclass(frozen=True)
class SurfaceError:
    """Distance between a mesh and the field's surface at one time, as shares of the scene's size.

    Accuracy and completeness as in multi-view stereo (Seitz et al. 2006)."""

    frame: int  # at this frame, or half-way from it to the next
    mean: float  # of both directions, and so is the median
    median: float
    completeness: float  # QUANTILE of the visible surface is nearer to the mesh: more, and the mesh lacks a part
    accuracy: float  # QUANTILE of the mesh is nearer to the surface: more, and it keeps what the field has lost


def surface_error(frame: int, mesh: Surface, surface: Surface, size: float) -> SurfaceError:
    """Measure a mesh against the surface; size: world units, the diagonal of the scene."""
    rng = np.random.default_rng(0)
    on_mesh, (on_surface, face, _) = sample_surface(*mesh, SAMPLES, rng)[0], sample_surface(*surface, SAMPLES, rng)
    to_surface, to_mesh = distances_to(on_mesh, surface) / size, distances_to(on_surface, mesh) / size
    both = np.stack((to_surface, to_mesh))
    visible = is_visible(on_surface, face_vectors(*surface)[face], surface, size)
    completeness, accuracy = np.quantile(to_mesh[visible], QUANTILE), np.quantile(to_surface, QUANTILE)
    return SurfaceError(frame, float(both.mean()), float(np.median(both)), float(completeness), float(accuracy))


def errors_at_frames(
    segments: list[Segment], frames: list[Frame], size: float, poll: Callable[[], None]
) -> list[SurfaceError]:
    """Measure each frame against its own surface."""
    errors = []
    for segment in segments:
        for k, vertices in enumerate(segment.vertices, start=segment.first):
            poll()
            errors.append(surface_error(k, (vertices, segment.faces), frames[k].surface, size))
    return errors


def error_between_frames(
    segments: list[Segment],
    times: np.ndarray,  # (F,) of the frames
    surface_at: Callable[[float], Surface],
    size: float,
) -> SurfaceError | None:
    """Measure half-way along the longest move from a frame to the next, where a mesh that moves in straight lines is
    farthest from the scene. None: no segment moves, or the field has no surface half-way."""
    move = longest_move(segments)
    if move is None:
        return None
    segment, k = move
    frame = segment.first + k
    try:
        surface = surface_at(float(times[frame : frame + 2].mean()))
    except EmptySurfaceError:
        return None
    return surface_error(frame, (segment.vertices[k : k + 2].mean(0), segment.faces), surface, size)


def longest_move(segments: list[Segment]) -> tuple[Segment, int] | None:
    """Return the segment and its frame before the longest move, by the distance that the fastest 1 % of vertices go."""
    moves = [(segment, k) for segment in segments for k in range(len(segment.vertices) - 1)]

    def distance(move: tuple[Segment, int]) -> float:
        segment, k = move
        return float(np.quantile(np.linalg.norm(segment.vertices[k + 1] - segment.vertices[k], axis=1), QUANTILE))

    return max(moves, key=distance, default=None)


def describe_errors(errors: list[SurfaceError], between: SurfaceError | None, sequence: MeshSequence) -> list[str]:
    """Describe the worst frame and the fastest move in a sentence each; where a moving mesh is too far from the scene,
    with what to do: of a still or a flip-book, only resolution and faces could be changed."""
    frames = sequence.n_frames
    worst = max(errors, key=lambda error: error.completeness)
    at_frame = f"At frame {worst.frame}, the worst, " if frames > 1 else ""
    sentences = [_within(at_frame, worst)]
    if sequence.moves and worst.completeness > MAX_COMPLETENESS:
        sentences = [_beyond(f"At frame {worst.frame} a part of the scene is missed", worst)
                     + "export a flip-book, PLY or OBJ sequence, or take more frames."]
    if between is None:
        return sentences
    move = f"etween frames {between.frame} and {between.frame + 1}"
    neighbours = [error.completeness for error in errors if error.frame in (between.frame, between.frame + 1)]
    if between.completeness > max([MAX_COMPLETENESS, *neighbours]):  # what both frames lack is not due to the move
        return [*sentences, _beyond(f"B{move} the mesh misses a fast move", between)
                + f"take more than {frames} frames."]
    return [*sentences, _within(f"Half-way b{move}, the fastest move, ", between)]


def _within(at: str, error: SurfaceError) -> str:
    median, completeness = (f"{100 * v:.2f}" for v in (error.median, error.completeness))
    sentence = (f"{at}half of the surface is within {median} % of the scene's size, 99 % of the visible surface within "
                f"{completeness} %.")
    return sentence[0].upper() + sentence[1:]


def _beyond(fault: str, error: SurfaceError) -> str:
    percent = 100 * error.completeness
    return f"{fault} (1 % of the visible surface is off by {percent:.1f} % of the scene's size or more): "


def is_visible(
    points: np.ndarray,  # (N, 3) on the surface
    normals: np.ndarray,  # (N, 3) outward there, of any length
    surface: Surface,
    size: float,  # world units, the diagonal of the scene
) -> np.ndarray:  # (N,) bool
    """Return which points face one of 26 orthographic views with nothing in front.

    A field has never learned what no camera sees, so a mesh need not have it."""
    cover = sample_surface(*surface, DEPTH_SAMPLES, np.random.default_rng(0))[0]
    cell = size / DEPTH_CELLS
    visible = np.zeros(len(points), bool)
    for view in VIEWS / np.linalg.norm(VIEWS, axis=1, keepdims=True):
        axes = np.linalg.svd(view[None])[2][1:]  # of the image
        corner = (cover @ axes.T).min(0)
        cover_cells, point_cells = (
            ((p @ axes.T - corner) / cell).astype(int).clip(0, DEPTH_CELLS) for p in (cover, points)
        )
        front = np.full((DEPTH_CELLS + 1, DEPTH_CELLS + 1), -np.inf)
        np.maximum.at(front, tuple(cover_cells.T), cover @ view)
        visible |= (points @ view >= front[tuple(point_cells.T)] - cell) & (normals @ view > 0.0)
    return visible


def mean_distance(a: Surface, b: Surface, count: int = SAMPLES) -> float:
    """Return the symmetric mean distance, world units: the mean of both directions."""
    rng = np.random.default_rng(0)
    on_a, on_b = sample_surface(*a, count, rng)[0], sample_surface(*b, count, rng)[0]
    return 0.5 * float(distances_to(on_a, b).mean() + distances_to(on_b, a).mean())


def hausdorff_distance(a: Surface, b: Surface) -> float:
    """Return the largest distance of any vertex of either surface to the other, world units."""
    return float(max(distances_to(a[0], b).max(), distances_to(b[0], a).max()))


def distances_to(points: np.ndarray, surface: Surface) -> np.ndarray:  # (N, 3) -> (N,)
    """Return the distance of each point to the nearest of the triangles around it.

    Only CANDIDATES are tried, so that a distance can come out too large, never too small; of a surface to itself it is
    0. trimesh tries all, but needs rtree for it."""
    from scipy.spatial import cKDTree
    from trimesh.triangles import closest_point

    centres, face = _face_centres(*surface)
    tree, corners = cKDTree(centres), surface[0][surface[1]].astype(np.float64)
    distances = []
    for batch in np.array_split(points, max(1, len(points) // SAMPLES)):
        _, near = tree.query(batch, k=np.arange(min(CANDIDATES, tree.n)) + 1)
        repeated = np.repeat(batch, near.shape[1], axis=0)
        closest = closest_point(corners[face[near]].reshape(-1, 3, 3), repeated)
        to_faces = np.linalg.norm(repeated - closest, axis=1).reshape(near.shape)
        distances.append(np.nanmin(to_faces, axis=1))  # trimesh 4 gives NaN where two corners coincide
    return np.concatenate(distances)


def _face_centres(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # (M, 3), (M,) face index
    """Return the centres of the faces; of a long face, of the equal parts that it is divided into: else the centre of a
    large face would be farther than those of many small ones beside it."""
    corners = vertices[faces].astype(np.float64)
    longest = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=-1).max(1)
    divisions = np.ceil(longest / max(np.median(longest), diagonal(vertices) / MAX_PARTS, 1e-12)).clip(1).astype(int)
    centres, face_indices = [], []
    for n in np.unique(divisions):
        (face,) = np.nonzero(divisions == n)
        weights = _part_centres(int(n))
        centres.append((weights @ corners[face]).reshape(-1, 3))
        face_indices.append(np.repeat(face, len(weights)))
    return np.concatenate(centres), np.concatenate(face_indices)


def _part_centres(n: int) -> np.ndarray:  # (n^2, 3)
    """Return barycentric centres of the parts of a triangle whose sides are divided into n."""
    i, j = (a.ravel() for a in np.mgrid[:n, :n])
    upright, hanging = i + j < n, i + j < n - 1
    parts = [np.stack((i, j), axis=1)[inside] + third for inside, third in ((upright, 1 / 3), (hanging, 2 / 3))]
    first, second = (np.concatenate(parts) / n).T
    return np.stack((1.0 - first - second, first, second), axis=1)
