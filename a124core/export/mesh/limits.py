"""What would not fit, refused before hours of work: the lattice, the frames in memory, the file."""

from __future__ import annotations

from ...utils.text import count_noun
from .mesh import Frame
from .options import MeshOptions, estimated_bytes, in_words

MEMORY = 8 * 2**30  # bytes that an export may take
POINT_BYTES = 80  # at a lattice point: distances to air with their places (SciPy), labels, heights. Measured on a
# ball in lattices of 128 and 176 steps a side: 85 and 65
TRACKED_BYTES = 84  # of a vertex in one frame: positions twice (float64, float32), normals, moves, turns
LOOSE_BYTES = 36  # of a vertex in a frame that has its own mesh: positions, normals, colours again
MOST_GLB = 2**32 - 1  # bytes: a GLB says its length in 32 bits (glTF 2.0, 4.4.2)


def check_lattice(shape: tuple[int, ...], resolution: int) -> None:
    """The lattice (X, Y, Z) on which a surface is looked for."""
    x, y, z = shape
    needed = x * y * z * POINT_BYTES
    if needed > MEMORY:
        fits = int(resolution * (MEMORY / needed) ** (1 / 3)) // 8 * 8
        raise ValueError(
            f"resolution {resolution} needs {in_words(needed)} of memory for this object, more than the "
            f"{in_words(MEMORY)} allowed: choose {fits} or less."
        )


def check_frames(frame: Frame, frames: int, options: MeshOptions, fixed: bool, most: int | None) -> int:
    """Size of the GLB, bytes, guessed from its first frame; refused if it, or the work for it, is too large.

    fixed: one topology for all frames; most: bytes that the file may have, None for a format without such a limit."""
    vertices, faces = len(frame.mesh.points), len(frame.mesh.faces)
    size = estimated_bytes(vertices, faces, frames, options, fixed)
    if most is not None and size > most:
        raise ValueError(
            f"{count_noun(frames, 'frame')} of {faces} faces would make a file of {in_words(size)}, and a GLB holds "
            f"{in_words(most)} at most: choose fewer frames or faces, a smaller texture, or a PLY sequence."
        )
    arrays = (*frame.surface, frame.mesh.points, frame.mesh.faces, frame.mesh.normals, frame.mesh.colours)
    held = sum(a.nbytes for a in arrays) + vertices * (TRACKED_BYTES if fixed else LOOSE_BYTES)
    if frames * held + size > MEMORY:
        raise ValueError(
            f"{count_noun(frames, 'frame')} of {len(frame.surface[1])} faces before and {faces} after decimation would "
            f"take {in_words(frames * held + size)} of memory, more than the {in_words(MEMORY)} allowed: choose fewer "
            "frames, a lower resolution, fewer faces or a smaller texture."
        )
    return size
