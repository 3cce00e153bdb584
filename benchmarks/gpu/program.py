"""Another program, stopped with everything that it started when its time is over."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_program(command: list[str], environment: dict[str, str], until: float) -> tuple[str, int | None]:
    """Run it in the project's folder -> what it printed, and its exit code; None where it was stopped."""
    process = subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    )
    with process:
        try:
            return process.communicate(timeout=max(1.0, until - time.monotonic()))[0], process.returncode
        except subprocess.TimeoutExpired:
            _kill(process)
            return process.communicate()[0], None


def _kill(process: subprocess.Popen) -> None:
    """Kill its whole group, so that no worker of it holds its output open."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
