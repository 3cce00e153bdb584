"""Triton's kernels on a CPU: what they compute, through its interpreter, and that a compiler accepts them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CHECKS = sorted(map(str, HERE.glob("backend*_checks.py")))
ROOT = HERE.parents[2]
MISSING = "triton is not installed: its wheels are for Linux on x86_64 and arm64"
F32, I32, I64 = "*fp32", "*i32", "*i64"


@pytest.mark.slow
@pytest.mark.parametrize("interpreted", ["1", pytest.param("0", marks=pytest.mark.gpu)])
def test_triton_agrees_with_torch(interpreted: str) -> None:
    """backend*_checks.py in a process of its own: Triton reads TRITON_INTERPRET once, while it is imported."""
    pytest.importorskip("triton", reason=MISSING)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *CHECKS]
    environment = {**os.environ, "TRITON_INTERPRET": interpreted, "A124_KERNELS": "auto", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    assert all(line.endswith("triton has no splat_points of its own") for line in skipped)
    assert "left out" not in done.stdout + done.stderr


GRID = [F32, F32, F32, I32, F32, *["i32"] * 5]  # xyz, time, output, parameters, scales, count, n_grids, n_rows, ...
LAYERS = {"OUTPUTS": 4, "WIDTH": 32, "HIDDEN": 64, "BLOCK": 32}
COMPILED = [
    ("grid", "_encode_forward", [I64, *GRID], {"HALF": False, "SLOPES": False, "LOOP": False, "BLOCK": 256}),
    ("grid", "_encode_forward", [I32, *GRID], {"HALF": True, "SLOPES": True, "LOOP": True, "BLOCK": 256}),
    ("grid", "_encode_backward", [F32, *GRID], {"SLOPES": False, "LOOP": False, "BLOCK": 256}),
    ("grid", "_encode_backward", [F32, *GRID], {"SLOPES": True, "LOOP": True, "BLOCK": 256}),
    ("march", "_march", [F32, F32, I64, "*u8", F32, I32, F32, I64, I64, F32, I32, "i32", "i32", "fp32", "fp32"],
     {"WRITE": True, "RAYS": 128}),
    ("composite", "_light_forward", [F32, I64, F32, "i32", "fp32"], {"WEIGHTS": True, "RAYS": 8, "STEPS": 32}),
    ("composite", "_sums_forward", [F32, F32, I64, F32, "i32"], {"COLUMNS": 5, "RAYS": 8, "STEPS": 32}),
    ("composite", "_sums_backward", [F32, F32, F32, I64, F32, F32, "i32"], {"COLUMNS": 5, "BLOCK": 256}),
    ("temporal_tv", "_tv_forward", [F32, F32, "i32", "i32"], {"CLOSED": True, "BLOCK": 1024}),
    ("temporal_tv", "_tv_backward", [F32, F32, F32, F32, "i32", "i32"], {"CLOSED": True, "BLOCK": 1024}),
    ("temporal_tv", "_smooth", [F32, F32, "fp32", "i32", "i32"], {"CLOSED": True, "BLOCK": 1024}),
    ("adam", "_adam_step", [F32] * 5 + ["fp32"] * 7 + ["i32"] * 2, {"CLOSED": True, "CLIP": True, "BLOCK": 512}),
    ("mlp", "_mlp_forward", [F32] * 6 + ["i32"] * 3, LAYERS),
    ("mlp", "_features_backward", [F32] * 6 + ["i32"] * 3, LAYERS),
    ("mlp", "_weights_backward", [F32] * 8 + ["i32"] * 3, LAYERS),
    ("composite", "_weights_backward", [F32, F32, F32, I64, F32, "i32", "fp32"], {"RAYS": 8, "STEPS": 32}),
]


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
    function = getattr(import_module(f"a124core.kernels.triton_impl.{file}"), kernel)
    names = function.arg_names
    free = [name for name in names if name not in constants]
    signature = {**dict(zip(free, types, strict=True)), **dict.fromkeys(constants, "constexpr")}
    fixed = {(names.index(name),): value for name, value in constants.items()}
    compiled = triton.compile(ASTSource(function, signature, fixed), target=GPUTarget("cuda", 80, 32))
    assert compiled.asm["cubin"]
    assert ".local" not in compiled.asm["ptx"]
    assert file != "grid" or "bar.sync" not in compiled.asm["ptx"]
