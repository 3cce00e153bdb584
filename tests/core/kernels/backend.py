"""What the checks of a backend share: which one it is, on which device, and how gradients are compared."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor

from a124core.field.config import BACKBONES, FieldConfig
from a124core.kernels.torch_impl import ops as torch_ops

BACKEND = "numba" if os.environ.get("A124_KERNELS") == "numba" else "triton"
DEVICE = "cpu" if BACKEND == "numba" or os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
SEED = 124


def same_vector(actual: Tensor, expected: Tensor, norm: float = 1e-5) -> None:
    """Cosine and relative norm of a gradient."""
    a, b = actual.double().flatten(), expected.double().flatten()
    assert b.norm() > 0 and torch.nn.functional.cosine_similarity(a, b, dim=0) > 1 - 1e-6
    assert (a - b).norm() <= norm * b.norm()


def own(ops: object, name: str) -> None:
    """Skip where the backend takes torch's: that would compare it with itself."""
    if getattr(ops, name) is getattr(torch_ops, name):
        pytest.skip(f"{BACKEND} has no {name} of its own")


def config_for(mode: str, time_grids: int = 3, **more) -> FieldConfig:
    sizes = {"levels": 2, "base_resolution": 4, "max_resolution": 32, "log2_hashmap_size": 8}
    if mode in BACKBONES:  # two dense levels of 6^3 and 9^3 rows, whose modulo is by no power of two, and a hashed one
        sizes = {"levels": 3, "base_resolution": 6, "max_resolution": 13, "log2_hashmap_size": 10}
        return FieldConfig(time_grids=time_grids, backbone=mode, **sizes, **more)
    return FieldConfig(time_grids=time_grids, index_mode=mode, **sizes, **more)
