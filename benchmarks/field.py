"""The field alone, forward and backward: density, colour and normals of N samples, and the gradient of its numbers.

    python -m benchmarks.field [--samples 50000] [--frames 16] [--time-grids 64] [--log2-rows 16] [--device cuda]

Ratios against a straight port of the released scheme and against the gather-bandwidth floor, all in the same run."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from a124core.field.config import FieldConfig
from a124core.field.density import normals_from
from a124core.field.field4d import Field4D, new_field
from a124core.utils.device import best_device, keep_freed_pages

from .floor import counted, floor_seconds
from .measure import all_kernels, kernels_from, median_seconds, save
from .released_port import StraightPort, straight_port

BASELINE = "straight port"


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    numbers = measured(args)
    show(numbers)
    if args.json:
        save(args.json, "field", args.device, numbers)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.field", description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--frames", type=int, default=16, help="distinct times of the samples")
    parser.add_argument("--time-grids", type=int, default=64)
    parser.add_argument("--log2-rows", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--json", help="file to write")
    return parser.parse_args()


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Time every implementation, with and without normals, and the floor."""
    config = FieldConfig(time_grids=args.time_grids, log2_hashmap_size=args.log2_rows)
    rng = torch.Generator().manual_seed(0)
    field = new_field(config, rng).fork(args.device)
    make = maker(args.samples, args.frames, args.device, rng)
    seconds = {}
    for normals in (False, True):
        name = "with normals" if normals else "density and colour"
        seconds[name] = {BASELINE: _seconds(straight_port(field), make, normals, args)}
        for backend in all_kernels(args.device):
            with kernels_from(backend):
                seconds[name][backend] = _seconds(field, make, normals, args)
    floor = floor_seconds(field, make, args.device, args.repeats)
    return {"options": vars(args), "counted": counted(field, args.samples), "floor": floor, "seconds": seconds}


def maker(samples: int, frames: int, device: str, rng: torch.Generator) -> Callable[[], tuple[Tensor, Tensor]]:
    """Fresh points in the cube; they come frame by frame, as the renderer's do."""

    def make() -> tuple[Tensor, Tensor]:
        xyz = torch.rand(samples, 3, generator=rng) * 2.0 - 1.0
        times = torch.rand(frames, generator=rng)
        time = times.repeat_interleave(-(-samples // frames))[:samples]
        return xyz.to(device), time.to(device)

    return make


def _seconds(field: Field4D | StraightPort, make: Callable, normals: bool, args: argparse.Namespace) -> float:
    tensors = [*(field.tables if isinstance(field, StraightPort) else [field.table]), *field.mlp.values()]

    def both_ways(xyz: Tensor, time: Tensor) -> None:
        density, albedo = field(xyz, time)
        loss = density.clamp(max=100.0).mean() + albedo.mean()
        if normals:
            loss = loss + normals_from(field.density_gradient(xyz, time))[:, 0].mean()
        torch.autograd.grad(loss, tensors, allow_unused=True)

    return median_seconds(make, both_ways, args.device, args.repeats)


def show(numbers: dict[str, Any]) -> None:
    options, count, floor = numbers["options"], numbers["counted"], numbers["floor"]
    print(f"{options['samples']} samples of {options['frames']} times, {options['time_grids']} time grids, at most "
          f"2^{options['log2_rows']} rows a level, {options['device']}, {torch.get_num_threads()} threads")
    print(f"floor: {count['rows'] / 1e6:.1f} M rows, {count['bytes'] / 1e9:.2f} GB, "
          f"{count['operations'] / 1e9:.1f} Gflop: {floor * 1e3:.1f} ms when measured row by row")
    for query, times in numbers["seconds"].items():
        print(f"\n{query:<24}{'ms':>10}{'faster':>10}{'of the floor':>15}")
        for name, spent in times.items():
            print(f"  {name:<22}{spent * 1e3:>10.1f}{times[BASELINE] / spent:>9.1f}x{spent / floor:>14.1f}x")


if __name__ == "__main__":
    main()
