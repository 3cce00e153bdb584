"""Gaussians of 3D Gaussian splatting, from PLY files and .splat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .gaussians import GaussianModel, make_gaussians
from .read_ply import ADVICE, GAUSSIAN_COLUMNS, MAX_ROWS, PlyHeader

SH_0 = 0.28209479177387814  # constant spherical harmonic, 1 / (2 sqrt(pi))
SPLAT_BYTES = 32  # of a row: position and scale as float32, colour and opacity and rotation as bytes
MAX_GAUSSIANS = 200_000  # rendered; of more, some stand for all
MAX_LOG_SCALE = 20.0  # larger ones are not finite in float32 once they are squared


def read_ply_gaussians(header: PlyHeader) -> tuple[GaussianModel, list[str]]:
    """Read the columns of the original program: logarithms of scales, logits of opacities, colours as harmonics."""
    names = [name for name, _ in header.elements[0].columns]
    missing = [name for name in GAUSSIAN_COLUMNS if name not in names]
    if missing:
        raise ValueError(f"{header.path} holds Gaussians without {', '.join(missing)}: {ADVICE}.")
    rows = header.vertices()
    table = torch.from_numpy(np.stack([rows[name].astype(np.float32) for name in GAUSSIAN_COLUMNS], 1))
    colours = 0.5 + SH_0 * table[:, 3:6]
    rgba = torch.cat((colours, table[:, 6:7].sigmoid()), 1)
    scales = table[:, 7:10].clamp(max=MAX_LOG_SCALE).exp()
    directed = sum(name.startswith("f_rest_") for name in names)
    notes = ["colours that depend on the direction are left out"] if directed else []
    model, more = checked_gaussians(table[:, :3], scales, table[:, 10:14], rgba, str(header.path))
    return model, notes + more


def read_splat(path: Path) -> tuple[GaussianModel, list[str]]:
    """Read rows of 32 bytes: linear scales, 8-bit colours, opacities and rotations."""
    size = path.stat().st_size
    if size % SPLAT_BYTES or size > SPLAT_BYTES * MAX_ROWS:
        raise ValueError(f"{path} is not made of rows of {SPLAT_BYTES} bytes, or has too many of them: {ADVICE}.")
    dtype = np.dtype([("xyz", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
    rows = np.fromfile(path, dtype)
    columns = (rows["xyz"], rows["scale"], (rows["rotation"].astype(np.float32) - 128) / 128, rows["rgba"] / 255)
    return checked_gaussians(*(torch.from_numpy(np.ascontiguousarray(c, np.float32)) for c in columns), str(path))


def checked_gaussians(
    means: Tensor, scales: Tensor, quaternions: Tensor, rgba: Tensor, name: str
) -> tuple[GaussianModel, list[str]]:
    """Make Gaussians of numbers from outside: none, NaN and invisible ones are refused, too many are reduced."""
    columns = torch.cat((means, scales, quaternions, rgba), 1)
    if not len(columns):
        raise ValueError(f"{name} holds no Gaussians: export it again.")
    if not columns.isfinite().all() or (scales < 0).any():
        raise ValueError(f"{name} holds Gaussians with NaN, infinite or negative numbers: export it again.")
    if not (rgba[:, 3] > 1 / 255).any():
        raise ValueError(f"{name} holds only transparent Gaussians: export it again.")
    notes = [] if len(columns) <= MAX_GAUSSIANS else [f"reduced from {len(columns)} Gaussians"]
    upright = quaternions.new_tensor([1.0, 0.0, 0.0, 0.0])
    quaternions = torch.where(quaternions.norm(dim=1, keepdim=True) > 1e-6, quaternions, upright)
    return make_gaussians(means, scales, quaternions, rgba.clamp(0.0, 1.0)).reduced(MAX_GAUSSIANS), notes
