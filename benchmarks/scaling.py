"""How cost grows: with the number of time grids, and with the size of a picture.

    python -m benchmarks.scaling [--grids 1 4 16 64 256] [--sizes 64 128 256 512] [--log2-rows 16] [--device cuda]

Every row is a ratio to the first one of its table, in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, from_static, new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy
from a124core.kernels import AdamRule, adam_temporal_tv
from a124core.losses import temporal_tv_tables
from a124core.protocols import Shading
from a124core.render.render import render
from a124core.render.sample import camera_rays, sample_rays
from a124core.utils.device import best_device, keep_freed_pages

from .field import maker
from .measure import median_seconds, save

FIELD, DENSE = "field, forward and backward", "Adam + temporal TV, dense"
APART = "TV backwards, then torch's Adam"  # the named baseline of the dense update
RAYS = 4096  # rendered at once with a graph
STEPS = 256  # across the cube's diagonal
CELLS = 32  # of the occupancy, per axis
LIMIT = 50.0  # a cell denser than this is worth sampling: of a fresh field, the blob


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    grids = {t: by_grids(t, args) for t in args.grids}
    sizes = {s: by_size(s, args) for s in args.sizes}
    show(grids, sizes, args)
    if args.json:
        save(args.json, "scaling", args.device, {"options": vars(args), "time grids": grids, "pixels": sizes})


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--grids", type=int, nargs="+", default=[1, 4, 16, 64, 256])
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256, 512])
    parser.add_argument("--samples", type=int, default=50_000, help="of the first table")
    parser.add_argument("--log2-rows", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--json", help="file to write")
    return parser.parse_args()


def by_grids(time_grids: int, args: argparse.Namespace) -> dict[str, float]:
    """Seconds of the same number of samples of 16 moments, and of the dense update, by the number of time grids."""
    rng = torch.Generator().manual_seed(0)
    field = new_field(FieldConfig(time_grids=time_grids, log2_hashmap_size=args.log2_rows), rng).fork(args.device)
    make = maker(args.samples, 16, args.device, rng)
    seconds = {FIELD: median_seconds(make, _forward_and_backward(field), args.device, args.repeats)}
    if time_grids > 1:
        for name, update in ((APART, _apart(field)), (DENSE, _in_one(field))):
            seconds[name] = median_seconds(tuple, update, args.device, args.repeats)
    return seconds


def _apart(field: Field4D) -> Callable[[], None]:
    """The gradient of temporal TV is made, added to the table's, and torch's Adam follows."""
    field.table.grad = torch.zeros_like(field.table)
    adam = torch.optim.Adam([field.table], fused=True)

    def run() -> None:
        temporal_tv_tables(field.table).backward()
        adam.step()

    return run


def _in_one(field: Field4D) -> Callable[[], None]:
    """What a stage does: the value of temporal TV for the report, and one operation."""
    values = field.table.detach().flatten(1)
    gradient, mean, square = (torch.zeros_like(values) for _ in range(3))
    count, rule = torch.zeros((), device=values.device), AdamRule(1e-3, 0.9, 0.99, 1e-15, 0.0)

    def run() -> None:
        temporal_tv_tables(field.table.detach())
        adam_temporal_tv(values, gradient, mean, square, count, rule, 1e-9, False)

    return run


def _forward_and_backward(field: Field4D) -> Callable[[Tensor, Tensor], None]:
    """Add the gradient to the existing one, as a step's batches do: no new table is filled with zeros."""
    field.table.grad = torch.zeros_like(field.table)

    def run(xyz: Tensor, time: Tensor) -> None:
        density, albedo = field(xyz, time)
        (density.clamp(max=100.0).mean() + albedo.mean()).backward()

    return run


def by_size(size: int, args: argparse.Namespace) -> dict[str, float]:
    """Seconds of one rendered frame and its gradient, and the samples in it."""
    rng = torch.Generator().manual_seed(0)
    still = new_field(FieldConfig(time_grids=1, log2_hashmap_size=args.log2_rows), rng)
    cells = update_occupancy(empty_occupancy(CELLS, 1, LIMIT), still, 1.0, rng)
    field = from_static(replace(still, occupancy=cells), 8, 8).fork(args.device)
    mask, white = field.occupancy.mask(), torch.ones(3, device=args.device)
    counts = []

    def frame() -> tuple:
        azimuth = 360.0 * float(torch.rand(1, generator=rng))
        return (camera_rays(make_cameras(0.0, azimuth, 1.8, 40.0).to(args.device), torch.rand(1, generator=rng), size),)

    def run(rays: Any) -> None:
        counts.append(0)
        for i in range(0, len(rays), RAYS):
            result = render(field, sample_rays(rays[i : i + RAYS], mask, STEPS), white, Shading())
            counts[-1] += result.n_marched
            result.image.mean().backward()

    seconds = median_seconds(frame, run, args.device, args.repeats)
    return {"seconds": seconds, "rays": size * size, "samples": sum(counts[1:]) / args.repeats}


def show(grids: dict[int, dict[str, float]], sizes: dict[int, dict[str, float]], args: argparse.Namespace) -> None:
    print(f"{args.device}, {torch.get_num_threads()} threads, at most 2^{args.log2_rows} rows a level")
    print(f"\ntime grids ({args.samples} samples){FIELD:>28}{APART:>36}{DENSE:>30}{'a grid':>14}")
    first = next(iter(grids.values()))
    for count, spent in grids.items():
        own = f"{spent[FIELD] * 1e3:>26.1f} ms {spent[FIELD] / first[FIELD]:>7.2f}x"
        dense = [f"{spent[name] * 1e3:.1f} ms" if name in spent else "" for name in (APART, DENSE)]
        each = f"{spent[DENSE] * 1e3 / count:.2f} ms" if DENSE in spent else ""
        print(f"  {count:<10}{own}{dense[0]:>36}{dense[1]:>30}{each:>14}")
    print(f"\npixels    {'samples per ray':>16}{'ms':>12}{'rays':>10}{'time':>10}{'time per sample':>18}")
    base = next(iter(sizes.values()))
    for size, spent in sizes.items():
        each, first_each = (v["seconds"] / max(v["samples"], 1.0) for v in (spent, base))
        print(f"  {size:<8}{spent['samples'] / spent['rays']:>16.1f}{spent['seconds'] * 1e3:>12.0f}"
              f"{spent['rays'] / base['rays']:>9.1f}x{spent['seconds'] / base['seconds']:>9.1f}x"
              f"{each / first_each:>17.2f}x")


if __name__ == "__main__":
    main()
