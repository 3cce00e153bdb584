"""Options of a mesh export, and the memory and file size that they lead to, checked before hours of work."""

from __future__ import annotations

from dataclasses import dataclass

from ...utils.text import count_noun, format_bytes
from ...utils.validate import ABOVE_ZERO, check_range
from .mesh import Frame

MAX_MEMORY_BYTES = 8 * 2**30  # that an export may take
MAX_GLB_BYTES = 2**32 - 1  # a GLB gives its length in 32 bits (glTF 2.0, 4.4.2)
GRID_POINT_BYTES = 80  # of a grid point: distances to empty space with their indices (SciPy), labels, heights. Measured
# on a ball in grids of 128 and 176 steps a side: 85 and 65
TRACKED_VERTEX_BYTES = 84  # in memory, a frame: positions twice (float64, float32), normals, displacements of both
OWN_VERTEX_BYTES = 36  # in memory, of a frame with a mesh of its own: positions, normals, colours
VERTEX_BYTES = 32  # position, normal and colour of a vertex in a GLB: 12 + 12 + 8
TARGET_BYTES = 24  # its displacement in one more frame: 12 + 12
QUANTISED_VERTEX_BYTES = 20  # 8 + 4 + 8, each padded to four bytes
QUANTISED_TARGET_BYTES = 12  # 8 + 4
PIXEL_BYTES = 2  # of a texture as PNG, at most: colours that hardly change from pixel to pixel


@dataclass(frozen=True)
class MeshOptions:
    """Number, resolution and storage of the meshes."""

    frames: int = 16  # meshes over the whole scene; the paper trains 16 frames too
    fps: float = 8.0  # frames a second of the animation: 16 frames of a loop play in two seconds
    resolution: int = 96  # grid steps along the object's longest side
    faces: int = 10_000  # triangles of a mesh after decimation, at most
    texture: int = 0  # pixels a side of a texture for the colours (GLB only); 0: a colour at each vertex
    quantise: bool = False  # 16-bit positions, 8-bit normals (GLB only): half the size, needs KHR_mesh_quantization
    time: float | None = None  # scene time in [0, 1] of a still; None: the animation

    def __post_init__(self) -> None:
        check_range(self, 1, 1000, "frames")
        check_range(self, ABOVE_ZERO, 1000, "fps")
        check_range(self, 16, 512, "resolution")
        check_range(self, 100, 2_000_000, "faces")
        if self.texture:
            check_range(self, 64, 4096, "texture")
        if self.time is not None:
            check_range(self, 0.0, 1.0, "time")


def estimate_glb_bytes(vertices: int, faces: int, frames: int, options: MeshOptions, tracked: bool = True) -> int:
    """Estimate the size of a GLB of one mesh with a morph target for each frame (tracked), or of that many meshes."""
    vertex, target = (
        (QUANTISED_VERTEX_BYTES, QUANTISED_TARGET_BYTES) if options.quantise else (VERTEX_BYTES, TARGET_BYTES)
    )
    indices = 3 * faces * (2 if vertices < 2**16 - 1 else 4)
    texture = PIXEL_BYTES * options.texture**2
    if tracked:
        return vertices * (vertex + target * (frames - 1)) + indices + texture
    return frames * (vertices * vertex + indices + texture)


def check_grid_memory(shape: tuple[int, ...], resolution: int) -> None:
    """Refuse a grid (X, Y, Z) that does not fit into memory, with a resolution that does."""
    x, y, z = shape
    needed = x * y * z * GRID_POINT_BYTES
    if needed > MAX_MEMORY_BYTES:
        fits = int(resolution * (MAX_MEMORY_BYTES / needed) ** (1 / 3)) // 8 * 8
        raise ValueError(
            f"resolution {resolution} needs {format_bytes(needed)} of memory for this object, more than the "
            f"{format_bytes(MAX_MEMORY_BYTES)} allowed: choose {fits} or less."
        )


def check_frames_memory(frame: Frame, frames: int, options: MeshOptions, tracked: bool, max_bytes: int | None) -> int:
    """Estimate the size of the GLB from its first frame; refuse it if it, or the memory for it, is too large.

    tracked: one mesh for all frames; max_bytes: of the file, None for a format without such a limit."""
    vertices, faces = len(frame.mesh.vertices), len(frame.mesh.faces)
    size = estimate_glb_bytes(vertices, faces, frames, options, tracked)
    if max_bytes is not None and size > max_bytes:
        raise ValueError(
            f"{count_noun(frames, 'frame')} of {faces} faces would make a file of {format_bytes(size)}; a GLB holds "
            f"{format_bytes(max_bytes)} at most: choose fewer frames or faces, a smaller texture, or a PLY sequence."
        )
    arrays = (*frame.surface, frame.mesh.vertices, frame.mesh.faces, frame.mesh.normals, frame.mesh.colours)
    per_frame = sum(a.nbytes for a in arrays) + vertices * (TRACKED_VERTEX_BYTES if tracked else OWN_VERTEX_BYTES)
    needed = frames * per_frame + size
    if needed > MAX_MEMORY_BYTES:
        raise ValueError(
            f"{count_noun(frames, 'frame')} of {len(frame.surface[1])} faces before and {faces} after decimation would "
            f"take {format_bytes(needed)} of memory, more than the {format_bytes(MAX_MEMORY_BYTES)} allowed: choose "
            "fewer frames, a lower resolution, fewer faces or a smaller texture."
        )
    return size
