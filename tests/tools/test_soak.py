"""A few of the kills of `make soak`; one while results are published needs several whole runs and stays there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are forked")
def test_killed_runs_lose_nothing(tmp_path: Path) -> None:
    """In a process of its own: it forks, and this one has threads."""
    words = [sys.executable, "-m", "tools.soak", "--kills", "2", "--out", str(tmp_path)]
    ended = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    last = next(line for line in ended.stdout.splitlines() if line.startswith("2 kills ("))
    assert "1 at any time" in last and "1 inside a save" in last
    assert "0 files damaged, 0 results different" in last
