"""Moving meshes in other people's programs. Not part of `make test`: `make test-clients` installs what it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import binary_erosion

from a124core.cameras.rig import make_cameras
from a124core.export.mesh import FORMATS, MeshOptions, export_mesh
from a124core.protocols import Field
from a124core.render.clip import ImageOptions, render_clip
from tests.fakes import EVERYWHERE

HERE = Path(__file__).resolve().parent
CLIENTS = HERE.parents[1] / ".venv" / "clients"
OPTIONS = MeshOptions(frames=6, fps=8.0, resolution=40, faces=2000)
TRAVEL = 0.5  # world units that the solid moves to the right while the scene lasts


class Lollipop(Field):
    """A ball on a stick that moves to the right and keeps its colours: any vertex's path is known."""

    occupancy = EVERYWHERE

    def __call__(self, xyz: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own = xyz - torch.stack((TRAVEL * (time - 0.5), 0 * time, 0 * time), dim=1)
        ball = (own - torch.tensor([0.0, 0.2, 0.0])).norm(dim=1) - 0.22
        stick = torch.maximum(own[:, ::2].norm(dim=1) - 0.06, (own[:, 1] + 0.2).abs() - 0.25)
        colour = torch.stack((0.5 + own[:, 1], 0.5 - own[:, 0], torch.full_like(time, 0.2)), dim=1).clamp(0, 1)
        return 300.0 * torch.sigmoid(-torch.minimum(ball, stick) / 0.003), colour


KINDS = {
    "animated": ("animated GLB", OPTIONS),
    "quantised": ("animated GLB", replace(OPTIONS, quantise=True)),
    "textured": ("animated GLB", replace(OPTIONS, texture=128)),
    "flipbook": ("flip-book GLB", OPTIONS),
    "flipbook_small": ("flip-book GLB", replace(OPTIONS, quantise=True, texture=64)),
    "still": ("animated GLB", replace(OPTIONS, time=0.0)),
    "usd": ("USD", OPTIONS),
}
GLBS = [kind for kind in KINDS if kind != "usd"]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("meshes")
    paths = {kind: folder / f"{kind}{FORMATS[format].suffix}" for kind, (format, _) in KINDS.items()}
    for kind, (format, options) in KINDS.items():
        export_mesh(Lollipop(), paths[kind], format, options)
    return paths


def client_json(*command: str) -> Any:
    """Run a client and return the JSON that it prints."""
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    lines = [line.removeprefix("RESULT ") for line in process.stdout.splitlines() if line.startswith(("RESULT ", '{"'))]
    assert process.returncode == 0 and lines, f"{process.stdout}\n{process.stderr}"
    return json.loads(lines[-1])


@pytest.fixture(scope="session")
def read(files: dict[str, Path]) -> dict[str, Any]:
    python = str(CLIENTS / "bin" / "python")
    reports = client_json(python, str(HERE / "readers.py"), *map(str, files.values()))
    return {kind: reports[str(path)] for kind, path in files.items()}


def test_khronos_validator_finds_nothing(files: dict[str, Path]) -> None:
    paths = [str(files[kind]) for kind in GLBS]
    for path, issues in client_json("node", str(HERE / "validate.mjs"), str(CLIENTS), *paths).items():
        assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), f"{path}: {issues['messages']}"


def test_pygltflib_and_trimesh_load_it(read: dict[str, Any]) -> None:
    for kind in GLBS:
        moving = kind not in ("still", "flipbook", "flipbook_small")
        assert read[kind]["targets"] == (5 if moving else 0) and read[kind]["animations"] == (kind != "still")
        assert read[kind]["meshes"] == (6 if kind.startswith("flipbook") else 1)
        assert all(faces > 500 for _, faces in read[kind]["trimesh"])


def test_usd_passes_its_own_compliance_check(read: dict[str, Any]) -> None:
    assert read["usd"]["errors"] == [] and read["usd"]["validators"] >= 20


@pytest.mark.parametrize("kind", ["animated", "quantised", "textured", "flipbook", "usd"])
def test_blender_plays_it_along_the_known_path(files: dict[str, Path], tmp_path: Path, kind: str) -> None:
    image = tmp_path / "frame.png"
    played = client_json(str(CLIENTS / "bin" / "python"), str(HERE / "blender.py"), str(files[kind]), "8", str(image))
    assert played["end"] == (6 if kind == "flipbook" else 5), "a flip-book shows its last frame for a frame's time"
    for frame in range(6):
        points = np.array(played["frames"][frame])
        middle = 0.5 * (points.max(0) + points.min(0))
        assert middle[0] == pytest.approx(TRAVEL * (frame / 5 - 0.5), abs=0.015), f"frame {frame}"
        assert points[:, 1].min() == pytest.approx(-0.45, abs=0.03) and points[:, 1].max() == pytest.approx(
            0.42, abs=0.03
        )
    if kind != "flipbook":
        moves = np.diff(np.array(played["frames"]), axis=0)[..., 0]
        assert np.median(moves) == pytest.approx(TRAVEL / 5, abs=0.01), "single vertices go along, not only their box"
    _check_colours(image)


def _check_colours(image: Path) -> None:
    """Blender's render has the renderer's colours: neither darker nor brighter."""
    theirs = np.asarray(Image.open(image).convert("RGB")) / 255.0
    camera = make_cameras(0.0, torch.zeros(1), 1.8, 40.0)
    clip = render_clip(Lollipop(), camera, torch.zeros(1), ImageOptions(len(theirs), normals=False))
    ours = clip.image[0].permute(1, 2, 0).numpy()
    both = (ours.min(-1) < 0.9) & (theirs.min(-1) < 0.9)
    inside = binary_erosion(both, iterations=2)  # off the outline, where each blends with the white in its own way
    assert inside.sum() > 500
    difference = (theirs - ours)[inside]
    assert np.abs(difference.mean(0)).max() < 0.02, f"by channel: {difference.mean(0)}"
    assert np.abs(difference).mean() < 0.05
    assert 10 * np.log10(1 / np.square(theirs - ours).mean()) > 20.0


def test_installing_the_pack_beside_comfyui_changes_none_of_its_packages(comfyui_path: Path, tmp_path: Path) -> None:
    host, ours = comfyui_path / "requirements.txt", HERE.parents[1] / "requirements.txt"
    alone, together = resolved(tmp_path / "a.json", host), resolved(tmp_path / "b.json", host, ours)
    changed = {name: (version, together[name]) for name, version in alone.items() if together.get(name) != version}
    assert not changed
    added = set(together) - set(alone)
    assert {"imageio", "scikit-image", "trimesh", "fast-simplification"} <= added and not {"torch", "numpy"} & added


def resolved(report: Path, *lists: Path) -> dict[str, str]:
    """What pip would install for these lists into an empty environment, name -> version."""
    requirements = [part for path in lists for part in ("-r", str(path))]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--dry-run", "--ignore-installed", "--report", str(report)]
    subprocess.run([*pip, *requirements], check=True)
    installs = json.loads(report.read_text())["install"]
    return {item["metadata"]["name"].lower().replace("_", "-"): item["metadata"]["version"] for item in installs}
