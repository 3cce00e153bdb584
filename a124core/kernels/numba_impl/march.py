"""Ray marching on a CPU, compiled by Numba: a chunk of the rays at a time."""

from __future__ import annotations

import numpy as np
import torch
from numba import float32, njit
from torch import Tensor

from ..torch_impl.march import ray_steps
from .threads import compiled, run_tasks

RAYS = 2**12  # rays of one task


@njit(inline="always")
def _cell(origin, direction, depth, scale, last):
    return int(min(max((origin * scale + scale) + (direction * scale) * depth, float32(0.0)), last))


@compiled
def _march(origins, directions, slices, binary, first, count, jitter, step, near, begin, end, ray_indices, starts):
    """Write the samples of rays begin to end to the front of ray_indices and starts; return their number."""
    size = binary.shape[-1]
    scale, last, half, n_samples = float32(0.5 * size), float32(size - 1), float32(0.5 * step), 0
    for r in range(begin, end):
        ox, oy, oz = origins[r, 0], origins[r, 1], origins[r, 2]
        dx, dy, dz = directions[r, 0], directions[r, 1], directions[r, 2]
        cells, offset = binary[slices[r]], first[r]
        for k in range(count[r]):
            depth = near + ((offset + float32(k)) + jitter[r]) * step
            middle = depth + half
            x = _cell(ox, dx, middle, scale, last)
            y = _cell(oy, dy, middle, scale, last)
            z = _cell(oz, dz, middle, scale, last)
            if cells[z, y, x]:
                ray_indices[n_samples], starts[n_samples] = r, depth
                n_samples += 1
    return n_samples


def march(
    origins: Tensor, directions: Tensor, ray_slice: Tensor, binary: Tensor, aabb: Tensor, step: float, jitter: Tensor,
    near: float = 0.2,
) -> tuple[Tensor, Tensor]:
    """As torch_impl.march.march."""
    first, count = ray_steps(origins, directions, aabb, step, jitter, near)
    _check(count, ray_slice, len(binary))
    count = count.to(torch.int32)
    arrays = [v.contiguous().numpy() for v in (origins, directions, ray_slice, binary, first, count, jitter)]
    counts = count.numpy()
    chunks = [slice(i, min(i + RAYS, len(origins))) for i in range(0, len(origins), RAYS)]
    samples: list[tuple[Tensor, Tensor]] = [(count[:0].long(), jitter[:0])] * len(chunks)

    def chunk(k: int) -> None:
        begin, end = chunks[k].start, chunks[k].stop
        most = int(counts[begin:end].sum())
        ray_indices, starts = np.empty(most, np.int64), np.empty(most, np.float32)
        n = _march(*arrays, float32(step), float32(near), begin, end, ray_indices, starts)
        samples[k] = torch.from_numpy(ray_indices[:n].copy()), torch.from_numpy(starts[:n].copy())

    run_tasks(chunk, len(chunks), int(count.sum()))
    if not samples:
        return count.long(), jitter.clone()
    return torch.cat([s[0] for s in samples]), torch.cat([s[1] for s in samples])


def _check(count: Tensor, ray_slice: Tensor, n_slices: int) -> None:
    """Refuse what torch would refuse and a kernel would not notice."""
    if not count.isfinite().all():
        raise ValueError("the rays hold numbers that are not finite: check the cameras.")
    if len(ray_slice) and not 0 <= int(ray_slice.min()) <= int(ray_slice.max()) < n_slices:
        raise IndexError(f"a ray's slice of time is not among the {n_slices} of the occupancy.")
