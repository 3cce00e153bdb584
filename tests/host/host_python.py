"""Scripts of this folder in the host's own Python, which COMFYUI_PYTHON names (this one, if not set)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent


def host_python() -> str:
    return os.environ.get("COMFYUI_PYTHON", sys.executable)


def python_with_diffusers() -> str:
    """Return the host's Python; a test that needs diffusers in it is skipped where it has none."""
    if subprocess.run([host_python(), "-c", "import diffusers"], capture_output=True).returncode:
        pytest.skip("the host's Python has no diffusers: it is an extra")
    return host_python()


def run_in_host(*command: Any, timeout: float = 1800) -> str:
    """Run the host's Python with these arguments on one thread -> what it printed."""
    done = subprocess.run(
        [host_python(), *map(str, command)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run_script(name: str, *args: Any) -> dict[str, Any]:
    """Run a script of this folder -> the figures of its last line, which pack_in_host.report wrote; or nothing."""
    lines = [line for line in run_in_host(HERE / name, *args).splitlines() if line.startswith("REPORT ")]
    return json.loads(lines[-1].removeprefix("REPORT ")) if lines else {}


def figures_of(report: dict[str, Any], check: str) -> Any:
    """Return what one check measured; fail with its traceback if it raised."""
    figures = report[check]
    assert not (isinstance(figures, dict) and "raised" in figures), figures["raised"]
    return figures
