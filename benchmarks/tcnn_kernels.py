"""The field of backbone tiny-cuda-nn by that package and by the pack's own kernels: python -m benchmarks.tcnn_kernels

Forward and backward, milliseconds. It needs a CUDA device and the Python package tinycudann; it was never run. make gpu
runs it where both are there."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field
from a124core.field.grid import grid_levels
from a124core.field.tcnn_grid import tcnn_grid
from a124core.kernels.tcnn import native_encoding
from a124core.utils.device import best_device

from .field import maker
from .measure import kernels_from, median_seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tcnn_kernels", description=__doc__)
    parser.add_argument("--samples", type=int, default=500_000)
    parser.add_argument("--frames", type=int, default=16, help="distinct times of the samples")
    parser.add_argument("--time-grids", type=int, default=64)
    parser.add_argument("--log2-rows", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default=str(best_device()))
    args = parser.parse_args()
    for name, value in measured(args).items():
        print(f"{name}: {value}")


def measured(args: argparse.Namespace) -> dict[str, Any]:
    """Return seconds of each, and the largest relative difference of their gradients."""
    config = FieldConfig(time_grids=args.time_grids, log2_hashmap_size=args.log2_rows, backbone="tiny-cuda-nn")
    rng = torch.Generator().manual_seed(0)
    field, device = new_field(config, rng).fork(args.device), torch.device(args.device)
    with kernels_from("auto"):
        if native_encoding(tcnn_grid(config), grid_levels(config), device) is None:
            raise RuntimeError("tiny-cuda-nn is installed, but is left out here: the warning above says why.")
    make = maker(args.samples, args.frames, args.device, rng)
    sample, seconds, gradients = make(), {}, {}
    for name in ("auto", "triton", "torch"):
        with kernels_from(name):
            seconds["tiny-cuda-nn" if name == "auto" else name] = median_seconds(
                make, both_ways(field), args.device, args.repeats
            )
            gradients[name] = both_ways(field)(*sample)
    differences = {
        f"difference from {name}": float((gradients["auto"] - gradients[name]).norm() / gradients[name].norm())
        for name in ("triton", "torch")
    }
    return {"options": vars(args), "seconds": seconds, **differences}


def both_ways(field: Field4D) -> Callable[[Tensor, Tensor], Tensor]:
    """Return what queries the field and takes the gradient of its table."""

    def run(xyz: Tensor, time: Tensor) -> Tensor:
        density, albedo = field(xyz, time)
        return torch.autograd.grad(density.clamp(max=100.0).mean() + albedo.mean(), field.table)[0]

    return run


if __name__ == "__main__":
    main()
