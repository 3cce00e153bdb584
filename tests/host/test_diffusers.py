"""A124DiffusersGuidance in the real ComfyUI, where its Python has diffusers: menu, learned word, all three stages."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from tests.host.workflow_models import python_with_diffusers

HERE = Path(__file__).resolve().parent


def test_folders_drive_all_stages_in_the_host(comfyui_path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [python_with_diffusers(), HERE / "diffusers_checks.py", comfyui_path, tmp_path], cwd=tmp_path,
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(line for line in done.stdout.splitlines() if line.startswith("REPORT "))
    found = json.loads(line.removeprefix("REPORT "))
    assert "diffusers/zero123-xl" in found["menu"] and len(found["menu"]) == 5
    assert found["static"] == [1, True] and found["coarse"] == found["fine"] == [33, True]
