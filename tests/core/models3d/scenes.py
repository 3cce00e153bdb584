"""Models of built-in subjects for the tests: written as files, as other programs write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from a124core.models3d.read_ply import GAUSSIAN_COLUMNS
from a124core.priors.builtin.appearance import get_subject

SH_0 = 0.28209479177387814


def write_gaussians(path: Path, table: np.ndarray) -> None:
    """Write rows of GAUSSIAN_COLUMNS as the original program of 3D Gaussian splatting does."""
    columns = "".join(f"property float {name}\n" for name in GAUSSIAN_COLUMNS)
    head = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{columns}end_header\n"
    path.write_bytes(head.encode() + table.astype("<f4").tobytes())


def surfel_gaussians(subject: str, spacing: float) -> np.ndarray:
    """Flat Gaussians on a subject's surface, in the columns of a file."""
    surfels = get_subject(subject).surfels(spacing)
    normals, count = surfels.normals.numpy(), len(surfels.points)
    # the shortest rotation from z to the normal
    quaternions = np.stack((1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(count)), 1)
    quaternions[quaternions[:, 0] < 1e-6] = (0, 1, 0, 0)
    scales = np.log(np.tile([0.45 * spacing, 0.45 * spacing, 0.06 * spacing], (count, 1)))
    colours = (surfels.colours.numpy() - 0.5) / SH_0
    return np.concatenate((surfels.points.numpy(), colours, np.full((count, 1), 3.0), scales, quaternions), 1)
