"""Triangle meshes: of one frame, of frames that share their faces, of a whole animation; and files of one mesh."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...utils.files import atomic_write


@dataclass(frozen=True)
class Mesh:
    """A closed surface at one time, in the field's world axes and units."""

    vertices: np.ndarray  # (V, 3) float32
    faces: np.ndarray  # (F, 3) int32, counter-clockwise seen from outside
    normals: np.ndarray  # (V, 3) float32, outward unit vectors
    colours: np.ndarray  # (V, 3) float32 in [0, 1], sRGB as the field and its images have them


Surface = tuple[np.ndarray, np.ndarray]  # vertices (V, 3), faces (F, 3)


class EmptySurfaceError(ValueError):
    """The field has no surface at a time."""


@dataclass(frozen=True)
class Frame:
    """The surface at one time, before and after decimation."""

    time: float  # in [0, 1]
    mesh: Mesh  # decimated and coloured
    surface: Surface  # before decimation: what errors are measured against


@dataclass(frozen=True)
class Segment:
    """Frames first .. first + K - 1, which share one set of faces and colours."""

    first: int
    vertices: np.ndarray  # (K, V, 3) float32
    faces: np.ndarray  # (F, 3) int32
    colours: np.ndarray  # (V, 3) sRGB in [0, 1]

    @property
    def last(self) -> int:
        return self.first + len(self.vertices) - 1

    def normals(self) -> np.ndarray:  # (K, V, 3)
        return np.stack([vertex_normals(vertices, self.faces) for vertices in self.vertices])


@dataclass(frozen=True)
class MeshSequence:
    """All frames of an animation, in consecutive segments."""

    segments: list[Segment]
    fps: float
    loop: bool  # the first frame follows the last

    @property
    def n_frames(self) -> int:
        return self.segments[-1].last + 1

    @property
    def n_faces(self) -> int:
        """Of the largest mesh."""
        return max(len(segment.faces) for segment in self.segments)

    @property
    def moves(self) -> bool:
        """Whether vertices move within a segment; a still and a flip-book have a mesh for each frame."""
        return any(len(segment.vertices) > 1 for segment in self.segments)

    def mesh(self, frame: int) -> Mesh:
        segment = next(s for s in self.segments if s.first <= frame <= s.last)
        vertices = segment.vertices[frame - segment.first]
        return Mesh(vertices, segment.faces, vertex_normals(vertices, segment.faces), segment.colours)


def face_vectors(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (F, 3)
    """Return the faces' normals, whose lengths are twice the faces' areas."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:  # (V, 3) unit, float32
    """Average the normals of the faces around each vertex by their areas.

    Not trimesh's: where there is no area it returns zeros, which glTF forbids (3.7.2.1); here they are +y."""
    vectors = face_vectors(vertices, faces)
    sums = np.stack(
        [sum(np.bincount(faces[:, k], vectors[:, axis], len(vertices)) for k in range(3)) for axis in range(3)], axis=1
    )
    length = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.where(length > 1e-12, sums / np.maximum(length, 1e-12), (0.0, 1.0, 0.0)).astype(np.float32)


def unique_edges(faces: np.ndarray) -> np.ndarray:  # (E, 2), the smaller index first, sorted
    pairs = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    return np.unique(pairs, axis=0)


def diagonal(vertices: np.ndarray) -> float:
    """Return the length of the bounding box's diagonal."""
    return float(np.linalg.norm(vertices.max(0) - vertices.min(0)))


def sample_surface(
    vertices: np.ndarray, faces: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sample evenly by area: points (count, 3), the face of each (count,), barycentric coordinates (count, 3)."""
    area = np.linalg.norm(face_vectors(vertices, faces), axis=1)
    position = (np.arange(count) + rng.random(count)) / count  # stratified, unlike trimesh's: no bare patches
    face = np.minimum(np.searchsorted(np.cumsum(area) / area.sum(), position), len(faces) - 1)
    root, v = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack((1 - root, root * (1 - v), root * v), axis=1)
    return (vertices[faces[face]] * weights[:, :, None]).sum(1), face, weights


def write_mesh(path: Path, mesh: Mesh) -> None:
    """Write a PLY or OBJ file, as the path ends, with normals and 8-bit sRGB colours; no faces make a point cloud."""
    import trimesh

    written = trimesh.Trimesh(
        mesh.vertices, mesh.faces, vertex_normals=mesh.normals,
        vertex_colors=np.round(mesh.colours * 255.0).astype(np.uint8), process=False,
    )
    with atomic_write(path) as temporary:
        written.export(temporary)
