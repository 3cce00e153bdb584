"""Synthetic models and a film in the host's folders, and workflows that name them instead of the published ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent

TINY = {  # the published names in the workflows -> synthetic files
    "v1-5-pruned-emaonly-fp16.safetensors": "tiny_sd15.safetensors",
    "control_v11f1e_sd15_tile_fp16.safetensors": "tiny_tile.safetensors",
    "stable_zero123.ckpt": "tiny_zero123.ckpt",
}
CUTS = {
    "A124TextualInversion": {"steps": 1, "batch": 1, "chunk": 1, "size": 64},
    "A124DiffusersGuidance": {"size": 16},
    **{f"A124{role}Guidance": {"size": 64} for role in ("Image", "View", "Video", "Refine")},
}


def equip(comfyui: Path, base: Path, made: Path) -> None:
    """Write the files into a folder and link them where a host with this base directory looks for them."""
    write_models(comfyui, made)
    for file in (f for f in made.rglob("*") if f.is_file()):
        target = base / "models" / file.relative_to(made)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(file)
    write_film(base / "input" / "clip.mp4")


def write_models(comfyui: Path, folder: Path) -> None:
    """Both sets of synthetic files, written by the host's Python, which knows the layouts."""
    code = f"""
import pathlib, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from pack_in_host import enter_host
enter_host({str(comfyui)!r})
import modelscope_files, tiny_models
for module in (modelscope_files, tiny_models):
    module.write(pathlib.Path({str(folder)!r}))
"""
    done = subprocess.run(
        [os.environ.get("COMFYUI_PYTHON", sys.executable), "-c", code],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def python_with_diffusers() -> str:
    """The host's Python; a test that needs diffusers in it is skipped where it has none."""
    python = os.environ.get("COMFYUI_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import diffusers"], capture_output=True).returncode:
        pytest.skip("the host's Python has no diffusers: it is an extra")
    return python


def write_folders(models: Path) -> None:
    """Folders of every role under the names of the published ones, where the host looks for them."""
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(HERE.parent)!r})
import tiny_folders
tiny_folders.everything(pathlib.Path({str(models / "diffusers")!r}))
"""
    done = subprocess.run(
        [python_with_diffusers(), "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


def write_film(path: Path) -> None:
    """Eight frames of a red disc on white that moves to the right."""
    import imageio.v3 as iio
    import numpy as np

    y, x = np.mgrid[:128, :128]
    discs = np.stack([(y - 63.5) ** 2 + (x - 56 - 2 * k) ** 2 < 36**2 for k in range(8)])
    frames = np.where(discs[..., None], (200, 30, 30), (255, 255, 255)).astype(np.uint8)
    iio.imwrite(path, frames, plugin="pyav", codec="libx264", fps=12)


def with_tiny_models(prompt: dict) -> dict:
    for node in prompt.values():
        node["inputs"] = {key: tiny(value) for key, value in node["inputs"].items()}
        node["inputs"] |= CUTS.get(node["class_type"], {})
    return prompt


def tiny(value: Any) -> Any:
    return TINY.get(value, value) if isinstance(value, str) else value
