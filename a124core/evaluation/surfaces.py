"""Points of moving surfaces: of a field's mesh, of files with a mesh for each frame, and of the built-in truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..export.mesh.build import build, mesh_times
from ..export.mesh.mesh import sample_surface
from ..export.mesh.options import MeshOptions
from ..models3d.mesh import MeshModel
from ..models3d.read import READERS
from ..models3d.sequence import share_topology
from ..priors.builtin.appearance import animate
from ..priors.builtin.bank import GroundTruth
from ..protocols import Field
from ..utils.files import in_order
from ..utils.progress import OnProgress
from ..utils.validate import readable_file
from .animated_glb import ADVICE, read_animated_glb

FRAMES = 16  # of ActionBench
POINTS = 20_000  # of a surface; ActionBench takes 100,000
SEED = 44  # ActionBench's
SPACING = 0.01  # world units between the points of the built-in truth
DIRECTIONS = 64  # from which a point of the truth must be visible at some time to count


@dataclass(frozen=True)
class MovingSurface:
    """A surface at T times."""

    frames: list[np.ndarray]  # T of (N, 3), each sampled by area
    tracked: np.ndarray | None  # (T, N, 3) the same points of the surface; None: its frames have no common faces
    note: str = ""  # a sentence where something is missing

    def truth(self, source: str) -> np.ndarray:  # (T, N, 3)
        """Return the tracked points, without which a surface is no known motion."""
        if self.tracked is None:
            raise ValueError(f"{source} has other faces in each frame, so nobody knows where a point goes: {ADVICE}.")
        return self.tracked


def field_surface(
    field: Field, options: MeshOptions, on_progress: OnProgress | None = None
) -> tuple[MovingSurface, np.ndarray]:
    """Extract one mesh that follows the field, as Export mesh does; return its points and the times (T,)."""
    times = mesh_times(field, options)
    built = build(field, options, True, on_progress)
    meshes = [built.sequence.mesh(min(k, built.sequence.n_frames - 1)) for k in range(len(times))]  # a still has one
    pairs = [(mesh.vertices, mesh.faces) for mesh in meshes]
    pieces = len(built.sequence.segments)
    note = f"The surface could be followed in {pieces} pieces only, so CD-M has no value."
    return _surface(pairs, pieces == 1, note if pieces > 1 else ""), times


def read_surface(folder: str | Path, frames: int | None = None) -> MovingSurface:
    """Read an animated GLB of ours, or a folder with a mesh for each frame in the order of their names, in their own
    units; frames: how many there must be."""
    folder = Path(folder)
    if folder.suffix.lower() == ".glb" and not folder.is_dir():
        vertices, faces = read_animated_glb(folder)
        _check_frames(folder, len(vertices), frames)
        return _surface([(positions, faces) for positions in vertices], True)
    files = in_order(f for f in folder.iterdir() if f.suffix.lower() in READERS) if folder.is_dir() else []
    if not files:
        raise ValueError(f"{folder} holds no meshes: {ADVICE}.")
    _check_frames(folder, len(files), frames)
    models = [READERS[f.suffix.lower()](readable_file(f, ADVICE))[0] for f in files]
    odd = next((f for f, model in zip(files, models, strict=True) if not isinstance(model, MeshModel)), None)
    if odd is not None:
        raise ValueError(f"{odd} holds Gaussians, not a mesh: {ADVICE}.")
    pairs = [(model.vertices.numpy(), model.faces.numpy()) for model in models]
    return _surface(pairs, all(share_topology(models[0], model) for model in models))


def _check_frames(path: Path, count: int, frames: int | None) -> None:
    if frames is not None and count != frames:
        needed = f"holds {count} meshes, and {frames} are needed, one for each frame compared"
        raise ValueError(f"{path} {needed}: give as many.")


def _surface(meshes: Sequence[tuple[np.ndarray, np.ndarray]], one: bool, note: str = "") -> MovingSurface:
    """Sample each frame by area, and the points of the first frame along the others where all share their faces."""
    rng = np.random.default_rng(SEED)
    frames = [sample_surface(vertices, faces, POINTS, rng)[0] for vertices, faces in meshes]
    if not one:
        return MovingSurface(frames, None, note or "The frames share no faces, so CD-M has no value.")
    _, face, weights = sample_surface(*meshes[0], POINTS, rng)
    corners = [vertices[faces[face]] for vertices, faces in meshes]
    return MovingSurface(frames, np.stack([(c * weights[:, :, None]).sum(1) for c in corners]), note)


def truth_surface(truth: GroundTruth, times: np.ndarray) -> np.ndarray:  # (T, N, 3) world
    """Return the points of the built-in truth that are visible from somewhere at some time: a result has no surface
    where nothing can be seen, and ActionBench's points inside of things would be held against it."""
    appearance = truth.appearance
    with torch.no_grad():
        moved = animate(appearance, appearance.subject.surfels(SPACING), torch.from_numpy(times).float())
    a = np.deg2rad(truth.azimuth)
    turn = np.array([[np.cos(a), 0.0, -np.sin(a)], [0.0, 1.0, 0.0], [np.sin(a), 0.0, np.cos(a)]])  # rows, as in path()
    points, normals = (part.double().numpy() @ turn for part in (moved.points, moved.normals))
    visible = np.zeros(points.shape[1], dtype=bool)
    for frame, facing in zip(points, normals, strict=True):
        visible |= visible_points(frame, facing)
    return _evenly(points[:, visible])


def _evenly(points: np.ndarray) -> np.ndarray:
    """Return at most POINTS of them, at random."""
    order = np.random.RandomState(SEED).permutation(points.shape[1])[:POINTS]
    return points[:, np.sort(order)]


def visible_points(points: np.ndarray, normals: np.ndarray, spacing: float = SPACING) -> np.ndarray:  # (N,) bool
    """Return which points of a dense surface can be seen from any of DIRECTIONS, each without perspective: those that
    face it and have none in front of them."""
    visible = np.zeros(len(points), dtype=bool)
    cell = 2 * spacing
    for direction in sphere_directions(DIRECTIONS):
        right = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0])
        right /= np.linalg.norm(right)
        across = np.floor(points @ np.stack((right, np.cross(direction, right)), 1) / cell).astype(np.int64)
        _, index = np.unique(across, axis=0, return_inverse=True)
        index = index.ravel()
        height = points @ direction
        top = np.full(index.max() + 1, -np.inf)
        np.maximum.at(top, index, height)
        visible |= (height > top[index] - 2 * cell) & (normals @ direction > 0.2)
    return visible


def sphere_directions(count: int) -> np.ndarray:  # (count, 3) unit
    """Return directions spread evenly over the sphere, along a spiral by the golden angle."""
    k = np.arange(count) + 0.5
    y, turn = 1 - 2 * k / count, k * np.pi * (3 - 5**0.5)
    flat = np.sqrt(1 - y**2)
    return np.stack((flat * np.cos(turn), y, flat * np.sin(turn)), 1)
