"""A124DiffusersGuidance in the real ComfyUI, where its Python has diffusers: menu, embedding, all three stages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.host_python import python_with_diffusers, run_script


def test_folders_drive_all_stages_in_the_host(
    comfyui_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python_with_diffusers()
    monkeypatch.chdir(tmp_path)
    figures = run_script("diffusers_checks.py", comfyui_path, tmp_path)
    assert "diffusers/zero123-xl" in figures["menu"] and len(figures["menu"]) == 5
    assert figures["static"] == [1, True] and figures["coarse"] == figures["fine"] == [33, True]
