"""The rotation that is nearest to a matrix."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Matrices = TypeVar("Matrices", np.ndarray, Tensor)


def nearest_rotations(matrices: Matrices) -> Matrices:  # (N, 3, 3)
    """Return U diag(1, 1, det(U V^T)) V^T of each singular value decomposition, never a reflection (Kabsch)."""
    if isinstance(matrices, Tensor):
        u, _, v = torch.linalg.svd(matrices)
        determinants = torch.linalg.det(u @ v)
        return torch.cat((u[..., :2], u[..., 2:] * determinants[..., None, None]), -1) @ v
    u, _, v = np.linalg.svd(matrices)
    u[..., 2] *= np.sign(np.linalg.det(u @ v))[..., None]
    return u @ v
