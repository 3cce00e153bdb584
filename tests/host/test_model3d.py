"""The host's own splats and meshes as guidance: drawn as it draws them, read from its files, aligned to a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.host.host_python import figures_of, run_script


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model3d")


@pytest.fixture(scope="module")
def report(comfyui_path: Path, folder: Path) -> dict:
    if not (comfyui_path / "comfy_extras" / "nodes_gaussian_splat.py").is_file():
        pytest.skip("this host has no splats")
    return run_script("model3d_checks.py", comfyui_path, folder)


def test_splats_are_drawn_as_the_host_draws_them(report: dict) -> None:
    for psnr, coverage in figures_of(report, "render_splat"):
        assert psnr >= 18.0 and coverage < 0.02  # the host filters no edges, we do


def test_files_of_the_host_are_read(report: dict) -> None:
    for kind, (moved, colour) in figures_of(report, "files").items():
        assert moved < 1e-3 and colour < 0.03, kind


def test_a_splat_and_a_mesh_are_aligned_and_guide_a_stage(report: dict, folder: Path) -> None:
    mesh, finite = figures_of(report, "mesh")
    for note in (figures_of(report, "splat"), mesh):
        overlap = float(note.split("It overlaps ")[1].split(" %")[0])
        assert overlap >= 80.0, note  # of a few flat Gaussians, which leave gaps
    assert finite and Image.open(folder / "preview_mesh.png").size == (1024, 256)
