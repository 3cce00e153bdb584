"""Triton's kernels on a CPU: what they compute, through its interpreter, and that a compiler accepts them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
MISSING = "triton is not installed: its wheels are for Linux on x86_64 and arm64"
F32, I32, I64 = "*fp32", "*i32", "*i64"


@pytest.mark.slow
@pytest.mark.parametrize("interpreted", ["1", pytest.param("0", marks=pytest.mark.gpu)])
def test_triton_agrees_with_torch(interpreted: str) -> None:
    """backend_checks.py in a process of its own: Triton reads TRITON_INTERPRET once, while it is imported."""
    pytest.importorskip("triton", reason=MISSING)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(HERE / "backend_checks.py")]
    environment = {**os.environ, "TRITON_INTERPRET": interpreted, "A124_KERNELS": "auto", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all(line.endswith("triton has no splat_points of its own") for line in skipped)


GRID = [F32, F32, F32, I32, F32, *["i32"] * 5]  # xyz, time, output, numbers, scales, count, grids, rows, width, plane
LAYERS = {"OUTPUTS": 4, "WIDTH": 32, "HIDDEN": 64, "BLOCK": 32}
COMPILED = [
    ("triton_grid", "_gather", [I64, *GRID], {"HALF": False, "SLOPES": False, "LOOP": False, "BLOCK": 256}),
    ("triton_grid", "_gather", [I32, *GRID], {"HALF": True, "SLOPES": True, "LOOP": True, "BLOCK": 256}),
    ("triton_grid", "_spread", [F32, *GRID], {"SLOPES": False, "LOOP": False, "BLOCK": 256}),
    ("triton_grid", "_spread", [F32, *GRID], {"SLOPES": True, "LOOP": True, "BLOCK": 256}),
    ("triton_march", "_walk", [F32, F32, I64, "*u8", F32, I32, F32, I64, I64, F32, I32, "i32", "i32", "fp32", "fp32"],
     {"WRITE": True, "RAYS": 128}),
    ("triton_composite", "_forward", [F32, I64, F32, "i32", "fp32"], {"WEIGHTS": True, "RAYS": 8, "STEPS": 32}),
    ("triton_sums", "_forward", [F32, F32, I64, F32, "i32"], {"COLUMNS": 5, "RAYS": 8, "STEPS": 32}),
    ("triton_sums", "_backward", [F32, F32, F32, I64, F32, F32, "i32"], {"COLUMNS": 5, "BLOCK": 256}),
    ("triton_neighbours", "_forward", [F32, F32, "i32", "i32"], {"CLOSED": True, "BLOCK": 1024}),
    ("triton_neighbours", "_backward", [F32, F32, F32, F32, "i32", "i32"], {"CLOSED": True, "BLOCK": 1024}),
    ("triton_adam", "_walk", [F32] * 5 + ["fp32"] * 7 + ["i32"] * 2, {"CLOSED": True, "CLIP": True, "BLOCK": 512}),
    ("triton_mlp", "_forward", [F32] * 6 + ["i32"] * 3, LAYERS),
    ("triton_mlp", "_back_to_features", [F32] * 6 + ["i32"] * 3, LAYERS),
    ("triton_mlp", "_back_to_weights", [F32] * 8 + ["i32"] * 3, LAYERS),
    ("triton_composite", "_backward", [F32, F32, F32, I64, F32, "i32", "fp32"], {"RAYS": 8, "STEPS": 32}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("file", "kernel", "types", "constants"), COMPILED)
def test_kernels_compile_for_a_gpu(
    file: str, kernel: str, types: list[str], constants: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Down to machine code for an NVIDIA A100, which Triton's wheel can write without one. No memory is spilled, and
    in the encoding no thread waits for another."""
    triton = pytest.importorskip("triton", reason=MISSING)
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    function = getattr(__import__(f"a124core.kernels.{file}", fromlist=[kernel]), kernel)
    names = function.arg_names
    free = [name for name in names if name not in constants]
    signature = {**dict(zip(free, types, strict=True)), **dict.fromkeys(constants, "constexpr")}
    fixed = {(names.index(name),): value for name, value in constants.items()}
    made = triton.compile(ASTSource(function, signature, fixed), target=GPUTarget("cuda", 80, 32))
    assert made.asm["cubin"]
    assert ".local" not in made.asm["ptx"]
    assert file != "triton_grid" or "bar.sync" not in made.asm["ptx"]
