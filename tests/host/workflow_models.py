"""Synthetic models and a film in the host's folders, and workflows that name them instead of the published ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.host.host_python import python_with_diffusers, run_in_host

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


def equip(comfyui: Path, base: Path, files: Path) -> None:
    """Write models and a film where a host with this base directory looks for them."""
    write_models(comfyui, files)
    link_models(files, base)
    write_film(base / "input" / "clip.mp4")
    write_orbit(base / "input" / "orbit.mp4")


def link_models(files: Path, base: Path) -> None:
    """Link a models folder into that of a host with this base directory."""
    for file in (f for f in files.rglob("*") if f.is_file()):
        target = base / "models" / file.relative_to(files)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            target.symlink_to(file)


def write_models(comfyui: Path, folder: Path) -> None:
    """Write both sets of synthetic files with the host's Python, which knows the layouts."""
    run_in_host("-c", f"""
import pathlib, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent)!r}]
from pack_in_host import enter_host
enter_host({str(comfyui)!r})
import modelscope_files, tiny_models
for module in (modelscope_files, tiny_models):
    module.write(pathlib.Path({str(folder)!r}))
""")


def write_folders(models: Path) -> None:
    """Write folders of every role under the names of the published ones, where the host looks for them."""
    python_with_diffusers()
    run_in_host("-c", f"""
import pathlib, sys
sys.path.insert(0, {str(HERE.parent)!r})
import tiny_folders
tiny_folders.everything(pathlib.Path({str(models / "diffusers")!r}))
""")


def write_film(path: Path) -> None:
    """Eight frames of a red disc on white that moves to the right."""
    import imageio.v3 as iio
    import numpy as np

    y, x = np.mgrid[:128, :128]
    discs = np.stack([(y - 63.5) ** 2 + (x - 56 - 2 * k) ** 2 < 36**2 for k in range(8)])
    frames = np.where(discs[..., None], (200, 30, 30), (255, 255, 255)).astype(np.uint8)
    iio.imwrite(path, frames, plugin="pyav", codec="libx264", fps=12)


def write_orbit(path: Path) -> None:
    """Eight pictures of a red ball on white from all around: the same picture each time."""
    import imageio.v3 as iio
    import numpy as np

    y, x = np.mgrid[:128, :128]
    disc = (y - 63.5) ** 2 + (x - 63.5) ** 2 < 36**2
    picture = np.where(disc[..., None], (200, 30, 30), (255, 255, 255)).astype(np.uint8)
    iio.imwrite(path, np.stack([picture] * 8), plugin="pyav", codec="libx264", fps=12)


def with_tiny_models(prompt: dict) -> dict:
    for node in prompt.values():
        node["inputs"] = {key: tiny(value) for key, value in node["inputs"].items()}
        node["inputs"] |= CUTS.get(node["class_type"], {})
    return prompt


def tiny(value: Any) -> Any:
    return TINY.get(value, value) if isinstance(value, str) else value
