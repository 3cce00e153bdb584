"""Numba's kernels: the same checks as Triton's, and that threads change nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from a124core.field.config import FieldConfig
from a124core.field.grid import grid_levels, rows_per_grid

HERE = Path(__file__).parent
pytest.importorskip("numba", reason="numba is not installed: pip install numba")


def test_numba_agrees_with_torch() -> None:
    """backend_checks.py in a process of its own, as a newcomer starts: nothing is compiled or chosen yet."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "backend_checks.py")]
    environment = {**os.environ, "A124_KERNELS": "numba", "OMP_NUM_THREADS": "2"}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(command, cwd=HERE.parents[2], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("slopes", [False, True])
def test_sums_do_not_depend_on_threads(slopes: bool) -> None:
    """40,000 samples: three pieces on three threads, against one thread; bit for bit."""
    from a124core.kernels import numba_ops

    config = FieldConfig(time_grids=2, levels=3, base=4, finest=32, log2_rows=10)
    rng = torch.Generator().manual_seed(0)
    table = torch.rand(2, rows_per_grid(config), 2, generator=rng, requires_grad=True)
    xyz, time = torch.rand(40_000, 3, generator=rng) * 2 - 1, torch.tensor([0.2, 0.7]).repeat_interleave(20_000)
    encode = numba_ops.encode_grid_gradient if slopes else numba_ops.encode_grid
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            values = encode(table, xyz, time, grid_levels(config))
            found.append((values, torch.autograd.grad(values.square().sum(), table)[0]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
