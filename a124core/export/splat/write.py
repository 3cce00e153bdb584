"""Gaussians as other programs have them: linear columns with y down, PLY files and .splat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...models3d.read_gaussians import SH_0
from ...models3d.read_ply import GAUSSIAN_COLUMNS
from ...utils.files import atomic_write
from .gaussians import Splat

Y_DOWN = (1.0, -1.0, -1.0)  # half a turn about x: Gaussians are trained, stored and drawn with y down and z forwards
ROW = np.dtype([("xyz", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("rotation", "u1", 4)])
UPRIGHT = (255, 128, 128, 128)  # w, x, y, z of no rotation as (byte - 128) / 128


def splat_columns(splat: Splat) -> dict[str, Tensor]:
    """Return positions (N, 3) with y down, linear scales (N, 3), rotations (N, 4) w x y z, opacities (N, 1), and
    colours as the constant spherical harmonic (N, 1, 3): the fields of ComfyUI's SPLAT."""
    count = len(splat.means)
    return {
        "positions": splat.means * torch.tensor(Y_DOWN),
        "scales": torch.full((count, 3), splat.std),
        "rotations": torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        "opacities": splat.rgba[:, 3:].clone(),
        "sh": ((splat.rgba[:, None, :3] - 0.5) / SH_0),
    }


def write_gaussian_ply(path: Path, splat: Splat) -> int:
    """Write the PLY file of 3D Gaussian splatting (Kerbl et al. 2023); return its size in bytes."""
    columns = splat_columns(splat)
    table = torch.cat(
        (columns["positions"], columns["sh"][:, 0], columns["opacities"].logit(), columns["scales"].log(),
         columns["rotations"]), 1,
    )
    names = "".join(f"property float {name}\n" for name in GAUSSIAN_COLUMNS)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(table)}\n{names}end_header\n"
    return _write(path, header.encode() + table.numpy().astype("<f4").tobytes())


def write_splat_file(path: Path, splat: Splat) -> int:
    """Write rows of 32 bytes, the most opaque Gaussians first; return the file's size in bytes."""
    order = splat.rgba[:, 3].argsort(descending=True, stable=True)
    rows = np.zeros(len(order), ROW)
    rows["xyz"], rows["scale"] = (splat.means * torch.tensor(Y_DOWN))[order].numpy(), splat.std
    rows["rgba"], rows["rotation"] = (splat.rgba[order] * 255.0).round().byte().numpy(), UPRIGHT
    return _write(path, rows.tobytes())


def _write(path: Path, content: bytes) -> int:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return len(content)
