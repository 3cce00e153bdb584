"""What can be chosen when a field becomes meshes, and what is told afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...utils.text import count_noun
from ...utils.validate import ABOVE_ZERO, check_range
from .mesh import Mesh
from .quality import Off, told

VERTEX_BYTES = 32  # position, normal and colour of a vertex in a GLB: 12 + 12 + 8
TARGET_BYTES = 24  # the same vertex in one more frame: 12 + 12
SMALL_VERTEX_BYTES = 20  # quantised: 8 + 4 + 8, each padded to four bytes
SMALL_TARGET_BYTES = 12  # 8 + 4
PIXEL_BYTES = 2  # of a texture as PNG, at most: colours that hardly change from pixel to pixel


@dataclass(frozen=True)
class MeshOptions:
    """How many meshes, how fine, and how they are kept."""

    frames: int = 16  # meshes over the whole scene; the paper trains 16 frames too
    fps: float = 8.0  # frames a second of the animation: 16 frames of a loop play in two seconds
    resolution: int = 96  # lattice steps along the object's longest side
    faces: int = 10_000  # triangles of a mesh after decimation, at most
    texture: int = 0  # pixels a side of a picture for the colours (GLB only); 0: a colour at each vertex
    quantise: bool = False  # 16-bit positions, 8-bit normals (GLB only): half the size, needs KHR_mesh_quantization
    moment: float | None = None  # scene time in [0, 1]: that moment alone, standing still; None: it moves

    def __post_init__(self) -> None:
        check_range(self, 1, 1000, "frames")
        check_range(self, ABOVE_ZERO, 1000, "fps")
        check_range(self, 16, 512, "resolution")
        check_range(self, 100, 2_000_000, "faces")
        if self.texture:
            check_range(self, 64, 4096, "texture")
        if self.moment is not None:
            check_range(self, 0.0, 1.0, "moment")


def estimated_bytes(vertices: int, faces: int, frames: int, options: MeshOptions, fixed: bool = True) -> int:
    """Size of a GLB: one mesh with a shape for each frame (fixed topology), or that many meshes."""
    once, again = (SMALL_VERTEX_BYTES, SMALL_TARGET_BYTES) if options.quantise else (VERTEX_BYTES, TARGET_BYTES)
    indices = 3 * faces * (2 if vertices < 2**16 - 1 else 4)
    picture = PIXEL_BYTES * options.texture**2
    if fixed:
        return vertices * (once + again * (frames - 1)) + indices + picture
    return frames * (vertices * once + indices + picture)


def in_words(size: int) -> str:
    """Bytes for the user."""
    for unit, name in ((1e9, "GB"), (1e5, "MB")):
        if size >= unit:
            return f"{size / max(unit, 1e6):.1f} {name}"
    return f"{size / 1e3:.1f} kB"


@dataclass(frozen=True)
class MeshReport:
    """What was written, and how near it is to the field."""

    path: Path
    kind: str
    frames: int
    vertices: int  # of the largest mesh
    faces: int
    bytes: int  # on disk
    mesh: Mesh  # the first frame
    off: list[Off] = field(default_factory=list)  # per frame, from the frame's own full surface
    between: Off | None = None  # half-way along the longest move of a moving mesh
    moves: bool = False  # no: a still, or a mesh for each frame
    colour_error: list[float] = field(default_factory=list)  # per frame, mean difference to the field's colours
    keys: list[int] = field(default_factory=list)  # frames at which a new template begins; one: tracked throughout
    notes: list[str] = field(default_factory=list)  # one sentence each: what came out otherwise than asked for

    def sentence(self) -> str:
        """For the user: what it is, how near it is to the scene, what came out otherwise."""
        parts = [f"{self.kind}: {count_noun(self.frames, 'frame')}, {self.faces} faces, {in_words(self.bytes)}"]
        if self.colour_error:
            parts.append(f"colours {100 * sum(self.colour_error) / len(self.colour_error):.1f} % off")
        quality = told(self.off, self.between, self.frames, self.moves) if self.off else []
        return " ".join(["; ".join(parts) + ".", *quality, *self.notes])
