"""A walking animal as a mesh and as Gaussians, for the tests: orange above, dark stripes, pale below, green eyes."""

from __future__ import annotations

import numpy as np
import trimesh
from trimesh.creation import capsule, icosphere

from tests.core.models3d.scenes import SH_0

ORANGE, PALE, GREEN = (0.9, 0.5, 0.15), (0.95, 0.9, 0.8), (0.1, 0.7, 0.2)


def striped_animal() -> trimesh.Trimesh:
    """Return an animal that looks to +x: a body on four legs, head, ears, snout and a raised tail."""
    parts = [
        _limb((-0.35, 0.05, 0.0), (0.3, 0.08, 0.0), 0.16, ORANGE),
        _limb((0.33, 0.15, 0.0), (0.48, 0.32, 0.0), 0.09, ORANGE),
        _limb((-0.45, 0.12, 0.0), (-0.68, 0.36, 0.0), 0.035, ORANGE), _ball((0.52, 0.38, 0.0), 0.14, ORANGE),
        _ball((0.64, 0.33, 0.0), 0.075, PALE),
    ]
    for x, foot in ((-0.33, -0.35), (-0.23, -0.21), (0.18, 0.16), (0.28, 0.3)):
        z = 0.09 if x in (-0.33, 0.28) else -0.09
        parts.append(_limb((x, 0.0, z), (foot, -0.42, z), 0.045, ORANGE))
    for z in (-0.08, 0.08):
        parts += [_ball((0.48, 0.52, z), 0.05, ORANGE), _ball((0.62, 0.43, z), 0.03, GREEN)]
    return trimesh.util.concatenate(parts)


def animal_gaussians(count: int = 6000) -> np.ndarray:
    """Return flat Gaussians on the animal's surface, in the columns of a file, and a faint floater beside it."""
    mesh = striped_animal()
    points, faces = trimesh.sample.sample_surface(mesh, count, seed=0)
    normals, colours = mesh.face_normals[faces], mesh.visual.face_colors[faces][:, :3] / 255
    quaternions = np.stack((1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(count)), 1)
    quaternions[quaternions[:, 0] < 1e-6] = (0, 1, 0, 0)
    size = np.sqrt(mesh.area / count)
    scales = np.log(np.tile([0.7 * size, 0.7 * size, 0.1 * size], (count, 1)))
    table = np.concatenate((points, (colours - 0.5) / SH_0, np.full((count, 1), 3.0), scales, quaternions), 1)
    floater = table[:1].copy()
    floater[0, :3], floater[0, 6] = (0.0, 0.6, 0.3), -2.0
    return np.concatenate((table, floater))


def _limb(start: tuple, end: tuple, radius: float, colour: tuple) -> trimesh.Trimesh:
    along = np.subtract(end, start)
    length = float(np.linalg.norm(along))
    mesh = capsule(length, radius, count=[12, 12])
    mesh.apply_translation((0.0, 0.0, length / 2))
    mesh.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], along / length))
    mesh.apply_translation(start)
    return _painted(mesh.subdivide(), colour)


def _ball(centre: tuple, radius: float, colour: tuple) -> trimesh.Trimesh:
    mesh = icosphere(3, radius)
    mesh.apply_translation(centre)
    return _painted(mesh, colour)


def _painted(mesh: trimesh.Trimesh, colour: tuple) -> trimesh.Trimesh:
    x, y = mesh.vertices[:, :2].T
    colours = np.tile(np.array(colour), (len(x), 1))
    colours[np.sin(40 * x + 3 * np.sin(12 * y)) > 0.5] *= 0.35
    mesh.visual.vertex_colors = (np.c_[colours, np.ones(len(x))] * 255).astype(np.uint8)
    return mesh
