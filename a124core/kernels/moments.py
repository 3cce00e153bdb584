"""Where in a table the samples of a few moments look, and which of them lie in the cube."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .corners import time_corners
from .gather import weighted_rows


@dataclass(frozen=True)
class When:
    """For each of N samples: the first rows of G grids, and their shares."""

    first: Tensor  # (G, N) int32
    share: Tensor | None  # (G, N); None: one grid, whole


def in_time(table: Tensor, time: Tensor, levels: int, loop: bool) -> tuple[Tensor, When]:
    """The table to gather from, (M, 2), and where in it each sample looks.

    The samples of a frame share one moment. Where moments are few, each has its grid made first, once, and a sample
    then looks at 8 corners of one grid instead of 16 of two; else every sample mixes two grids by itself."""
    grids, rows = table.shape[:2]
    moments, which = torch.unique_consecutive(time, return_inverse=True)
    if len(moments) * rows <= 8 * levels * time.shape[0]:
        return _grids_at(table, moments, loop), When((which * rows).to(torch.int32)[None], None)
    return table.reshape(-1, table.shape[-1]), When(*time_corners(time, grids, rows, loop))


def _grids_at(table: Tensor, moments: Tensor, loop: bool) -> Tensor:  # (T, rows, 2), (M,) -> (M * rows, 2)
    """One grid per moment, linear between its two neighbours in time."""
    if table.shape[0] == 1 and len(moments) == 1:
        return table[0]
    pair, share = time_corners(moments, table.shape[0], 1, loop)
    if not bool(share[1].any()):
        pair, share = pair[:1], share[:1]
    return weighted_rows(table.flatten(1), [(pair, share)]).view(-1, table.shape[-1])


def inside_cube(points: Tensor) -> Tensor | None:  # (3, N) -> (N,) bool
    """Which points lie in the cube; None if all do, as the marcher sees to."""
    inside = (points.abs() <= 1.0).all(dim=0)
    return None if bool(inside.all()) else inside
