"""A field to one mesh for each frame."""

from __future__ import annotations

import numpy as np

from ...protocols import Field
from .clean import reduced, smoothed
from .colour import colours_at
from .mesh import Frame, Mesh, NoSurface, Surface, vertex_normals
from .options import MeshOptions
from .surface import Solid

SAME = 0.02  # of a colour, in [0, 1]: five of the 255 steps that a screen has
REACH = 4.0  # lattice steps: how long the ray is on which a surface finds its colour


def frame_times(field: Field, options: MeshOptions) -> np.ndarray:  # (F,) in [0, 1]
    """Spread over the whole scene. The last moment of a scene that loops is its first, so it is not shown twice."""
    if options.moment is not None or options.frames == 1:
        return np.array([options.moment or 0.0])
    loop = is_loop(field)
    return np.arange(options.frames) / (options.frames if loop else options.frames - 1)


def is_loop(field: Field) -> bool:
    return bool(getattr(getattr(field, "config", None), "loop", False))


def frame_at(solid: Solid, time: float, options: MeshOptions) -> Frame:
    """The surface at a time; decimated; coloured."""
    points, faces = surface_at(solid, time, options.resolution)
    return Frame(time, coloured(solid, time, *reduced(points, faces, options.faces)), (points, faces))


def surface_at(solid: Solid, time: float, resolution: int) -> Surface:
    """The full surface at a time, smoothed. resolution: for the sentence, if nothing is there."""
    points, faces = solid.surface(time)
    if len(faces) == 0:
        raise NoSurface(
            f"no faces are left at time {time:.2f} after cleaning: raise the resolution (now {resolution}) if the "
            "object is thin, or choose another moment."
        )
    return smoothed(points, faces), faces


def coloured(solid: Solid, time: float, points: np.ndarray, faces: np.ndarray) -> Mesh:
    """Points and faces with what the field says about them."""
    normals = vertex_normals(points, faces)
    return Mesh(points, faces, normals, colours(solid, time, points, normals))


def colours(solid: Solid, time: float, points: np.ndarray, normals: np.ndarray) -> np.ndarray:  # (V, 3) sRGB
    return colours_at(solid.field, time, points, normals, REACH * solid.lattice.step, solid.heard)


def keeps_colours(solid: Solid, frames: list[Frame]) -> bool:
    """Does the first frame's surface look the same at all times, each vertex of it?"""
    mesh = frames[0].mesh
    seen = (colours(solid, frame.time, mesh.points, mesh.normals) for frame in frames[1:])
    return all(np.abs(now - mesh.colours).max() < SAME for now in seen)
