"""The machine, the kernels, and the project's other benchmarks. A task yields (key, value) as soon as it has one."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import torch

from a124core.priors.diffusers.package import installed
from a124core.utils.device import keep_freed_pages

from ..measure import where
from .program import run_program
from .worker import Job, OutOfTime

BACKENDS = {"cuda": ("triton",), "cpu": ("numba",)}  # beside plain torch
PACKAGES = ("torch", "triton", "numba", "numpy", "diffusers", "transformers", "pytest", "tinycudann")
CHECKED = re.compile(r"^(?:\[gw\d+\] \[ *\d+%\] )?(?:(\S+::.*?) )?(PASSED|FAILED|ERROR|SKIPPED)(?: (\S+::.*))?")
CHECKS = ("tests/core/kernels/backend_checks.py", "tests/core/kernels/backend_ray_checks.py")
OUTPUT = 3000  # characters of what a program printed that are kept
Results = Iterator[tuple[str, Any]]


def machine(job: Job, until: float) -> Results:
    """The card, its driver, and what is installed; RuntimeError where torch has no such device."""
    keep_freed_pages()
    if job.device == "cuda":
        if not torch.cuda.is_available():
            raise RuntimeError(f"torch {torch.__version__} finds no CUDA device")
        properties = torch.cuda.get_device_properties(0)
        yield "memory", properties.total_memory
        yield "capability", f"{properties.major}.{properties.minor}, {properties.multi_processor_count} multiprocessors"
        yield "driver", driver()
        yield "cuda", torch.version.cuda or f"hip {torch.version.hip}"
        yield "cudnn", torch.backends.cudnn.version()
    yield from where(job.device).items()
    yield "packages", {name: installed(name) for name in PACKAGES}
    torch.ones(8, 8, device=job.device).sum().item()


def driver() -> str:
    """Return the version of the driver, which all cards share."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        printed = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603
        return printed.split()[0]  # a line for each card
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown"


def kernels(job: Job, until: float) -> Results:
    """Each operation of each backend against torch, and which of them a run gets."""
    from a124core.kernels.dispatch import backend_name, completed
    from a124core.kernels.selftest import CASES

    device = torch.device(job.device)
    for name in BACKENDS[device.type]:
        try:
            backend = completed(import_module(f"a124core.kernels.{name}_impl.ops"))
        except ImportError as error:
            yield name, {"problem": str(error)}
            continue
        for case in CASES:
            yield f"{name}: {case}", _compared(case, backend, device)
    yield "used", backend_name(device)


def _compared(case: str, backend: Any, device: torch.device) -> dict[str, Any]:
    """Whether it agrees, the largest relative difference, and seconds with compiling."""
    from a124core.kernels.selftest import CASES, agrees
    from a124core.kernels.torch_impl import ops as torch_ops

    began = time.monotonic()
    try:
        same = agrees(case, backend, torch_ops, device)
        pairs = zip(CASES[case](backend, device), CASES[case](torch_ops, device), strict=True)
        errors = [_difference(actual.detach().double(), expected.detach().double()) for actual, expected in pairs]
    except Exception as error:  # one operation that does not compile must not hide the others
        return {"agrees": False, "problem": f"{type(error).__name__}: {error}"[:OUTPUT]}
    return {"agrees": same, "difference": max(errors), "seconds": time.monotonic() - began}


def _difference(actual: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the norm of the difference relative to the expected one's."""
    return float((actual - expected).norm() / expected.norm().clamp(min=1e-30))


def checks(job: Job, until: float) -> Results:
    """The project's own tests of a backend, as far as they get in time."""
    if job.device == "cpu" and installed("numba") is None:
        raise ImportError("the Python package numba is not installed")
    chosen = ["-k", job.row.options["only"]] if "only" in job.row.options else []
    many = ["-n", "4"] if installed("pytest-xdist") and job.device != "cpu" else []  # compiling takes most of the time
    command = [sys.executable, "-m", "pytest", "-v", "-rN", "-p", "no:cacheprovider", *many, *chosen, *CHECKS]
    environment = {**os.environ, "A124_KERNELS": "numba" if job.device == "cpu" else "auto"}
    environment.pop("TRITON_INTERPRET", None)
    output, code = run_program(command, environment, until)
    yield from counted_checks(output).items()
    yield "exit code", code
    yield "output", output[-OUTPUT:]
    if code is None:
        raise OutOfTime("the tests were stopped when their time was over")


def counted_checks(output: str) -> dict[str, Any]:
    """Count what pytest -v printed, alone or with workers, and name what failed."""
    ends: dict[str, str] = {}
    for line in output.splitlines():
        if (match := CHECKED.match(line)) and (match[1] or match[3]):
            ends[match[1] or match[3]] = match[2].lower()
    counts = {state: list(ends.values()).count(state) for state in ("passed", "failed", "error", "skipped")}
    return {**counts, "failures": [name for name, state in ends.items() if state in ("failed", "error")]}


def field(job: Job, until: float) -> Results:
    """benchmarks.field."""
    from ..field import measured

    options = argparse.Namespace(**job.row.options, device=job.device)
    yield from measured(options).items()


def tcnn(job: Job, until: float) -> Results:
    """benchmarks.tcnn_kernels; RuntimeError where tiny-cuda-nn is installed and left out."""
    from ..tcnn_kernels import measured

    options = argparse.Namespace(**job.row.options, device=job.device)
    yield from measured(options).items()


def scaling(job: Job, until: float) -> Results:
    """benchmarks.scaling, each size a result."""
    from ..scaling import by_grids, by_size

    options = argparse.Namespace(**job.row.options, device=job.device)
    yield "options", job.row.options
    for name, values, measure in (("time grids", options.grids, by_grids), ("pixels", options.sizes, by_size)):
        for value in values:
            _check_time(until)
            yield f"{name} {value}", measure(value, options)


def full_size(job: Job, until: float) -> Results:
    """benchmarks.full_size."""
    from ..full_size import Setup, measured

    options = job.row.options
    full = job.device != "cpu"
    setup = Setup(options["stage"], options["memory"], job.device, options["steps"], full, options["tiny"], until)
    yield "requested steps", options["steps"]
    yield from measured(setup).items()


def _check_time(until: float) -> None:
    if time.monotonic() > until:
        raise OutOfTime
