"""The grid of tiny-cuda-nn (github.com/NVlabs/tiny-cuda-nn) by tiny-cuda-nn itself, where its Python package is
installed and a GPU is used.

Written against its public API and never run: no machine with it was at hand. So it is compared with plain torch at
first use, and left out where it differs."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from ..utils.device import is_current
from .grid_index import Level
from .torch_impl.grid import encode_grid, grids_at, inside_cube

PACKAGE = "tinycudann"
POINTS = 4096  # of the comparison
CLOSE = 1e-4  # of features between -1 and 1: float32, positions rounded otherwise by one bit
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TcnnGrid:
    """The options of an Encoding of otype HashGrid."""

    n_levels: int
    base_resolution: int
    per_level_scale: float
    log2_hashmap_size: int

    def options(self) -> dict[str, Any]:
        """Return them under the names of its DOCUMENTATION.md."""
        return {"otype": "HashGrid", "n_features_per_level": 2, "interpolation": "Linear", **vars(self)}


@lru_cache(maxsize=1)
def is_installed() -> bool:
    """Is its Python package there?"""
    return find_spec(PACKAGE) is not None


def native_encoding(grid: TcnnGrid, levels: tuple[Level, ...], device: torch.device) -> Any:
    """Return tiny-cuda-nn's module of a grid, or None where it does not run, is not requested or disagrees."""
    requested = os.environ.get("A124_KERNELS", "auto").strip().lower() or "auto"
    if requested != "auto" or device.type != "cuda" or not is_current(device) or not is_installed():
        return None
    return _checked_encoding(grid, levels, device)


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _checked_encoding(grid: TcnnGrid, levels: tuple[Level, ...], device: torch.device) -> Any:
    try:
        encoding = import_module(PACKAGE).Encoding(3, grid.options(), dtype=torch.float32).to(device)
        problem = mismatch(encoding, levels, device)
    except Exception as error:  # a driver, a wheel of another GPU: whatever it is, the other kernels still work
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
    if not problem:
        return encoding.requires_grad_(False)
    log.warning("tiny-cuda-nn is left out on %s, the pack's own kernels are used instead: %s", device, problem)
    return None


def mismatch(encoding: Any, levels: tuple[Level, ...], device: torch.device) -> str:
    """Return in what an encoding differs from plain torch: the number of parameters, features or their gradient; ""
    if in nothing."""
    rows, actual = sum(level.rows for level in levels), sum(p.numel() for p in encoding.parameters())
    if actual != 2 * rows:
        return f"it has {actual} parameters, but {2 * rows} are needed."
    rng = torch.Generator().manual_seed(0)
    table = (torch.rand(2, rows, 2, generator=rng) * 2.0 - 1.0).to(device).requires_grad_(True)
    xyz = (torch.rand(POINTS, 3, generator=rng) * 2.0 - 1.0).to(device)
    time = torch.tensor([0.0, 0.3, 1.0]).repeat_interleave(POINTS // 3 + 1)[:POINTS].to(device)
    with torch.enable_grad():
        features = encode_frames(encoding, table, xyz, time, loop=False), encode_grid(table, xyz, time, levels)
        gradients = [torch.autograd.grad(v.square().sum(), table)[0] for v in features]
    if not torch.allclose(*features, atol=CLOSE, rtol=CLOSE):
        return "its features are not torch's."
    close = float((gradients[0] - gradients[1]).norm()) <= 1e-3 * float(gradients[1].norm())
    return "" if close else "its gradient is not torch's."


def encode_frames(encoding: Any, table: Tensor, xyz: Tensor, time: Tensor, loop: bool) -> Tensor:
    """As torch_impl.grid.encode_grid, for one point or more, of few times: per time, the two slices of the table around
    it are mixed in torch, and are the parameters of one call."""
    times, counts = torch.unique_consecutive(time, return_counts=True)
    slices = grids_at(table, times, loop).view(len(times), -1)
    points = (xyz.clamp(-1.0, 1.0) * 0.5 + 0.5).split(counts.tolist())
    parts = [functional_call(encoding, {"params": s}, (p,)) for s, p in zip(slices, points, strict=True)]
    features = torch.cat(parts).to(table.dtype)
    inside = inside_cube(xyz.T)
    return features if inside is None else features * inside[:, None]
