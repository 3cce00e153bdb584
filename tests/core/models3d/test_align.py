"""Alignment: from any turn, size and place a model comes to lie on the subject of the reference image."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from a124core.cameras.rig import reference_camera
from a124core.models3d import align as align_module
from a124core.models3d.align import Placement, align, place
from a124core.models3d.gaussians import GaussianModel
from a124core.models3d.read import ANY_UP, UPWARDS, loaded_model, read_model
from a124core.priors.builtin.make import example_image
from a124core.reference.reference import Reference, make_reference
from tests.core.models3d.scenes import surfel_gaussians, write_gaussians
from tests.core.models3d.test_posed import figure


def moved_model(folder: Path, subject: str, start: Placement) -> tuple[GaussianModel, Reference]:
    write_gaussians(folder / f"{subject}.ply", surfel_gaussians(subject, 0.02))
    reference = make_reference(*example_image(subject, 128))
    return place(read_model(folder / f"{subject}.ply").frames[0], start, reference.camera), reference


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(20))
def test_a_model_from_anywhere_is_aligned(tmp_path: Path, trial: int) -> None:
    rng = random.Random(trial)
    start = Placement(rng.uniform(0, 360), 0.0, rng.uniform(0.5, 1.5), rng.uniform(-0.2, 0.2), rng.uniform(-0.2, 0.2))
    alignment = align(*moved_model(tmp_path, ("robot", "duck", "cat", "rocket")[trial % 4], start))
    assert alignment.overlap >= 0.9, alignment


def test_the_upward_axis_of_a_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An L of two boxes, red and blue, stands on z as in Blender; it is aligned with z up, and said."""
    for name, value in (("AZIMUTHS", (0, 90, 180, 270)), ("ELEVATIONS", (0,)), ("BEST", 1)):
        monkeypatch.setattr(align_module, name, value)  # a short search, which is not what is tested
    model, camera = figure(), reference_camera()
    layers = model.layers(camera, (96, 96))
    reference = make_reference(layers[:, :3] + 1.0 - layers[:, 3:4], layers[:, 3:4])
    lying = model.transformed(torch.tensor(UPWARDS["z"], dtype=torch.float32).T, torch.zeros(3))
    loaded, alignment = align_module.align_loaded(loaded_model([lying], [], ANY_UP), reference)
    assert "Its z axis was taken to be up" in loaded.note and alignment.overlap > 0.95
    assert alignment.colour_error < 0.02


def test_the_search_and_its_refinement_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("AZIMUTHS", (0, 90)), ("ELEVATIONS", (0,)), ("BEST", 1), ("HALVINGS", 1)):
        monkeypatch.setattr(align_module, name, value)
    layers = figure().layers(reference_camera(), (48, 48))
    reference = make_reference(layers[:, :3] + 1.0 - layers[:, 3:4], layers[:, 3:4])
    reports: list[tuple[int, int, str]] = []
    align(figure(), reference, lambda *report: reports.append(report))
    texts = [text for _, _, text in reports]
    assert texts.index("aligning the model") < texts.index("refining the alignment")
    assert reports[-1] == (2, 2, "refining the alignment") and len(reports) > 10


def test_a_turned_small_model_is_aligned(tmp_path: Path) -> None:
    alignment = align(*moved_model(tmp_path, "duck", Placement(140.0, 0.0, 0.7, 0.1, -0.1)))
    assert alignment.overlap > 0.9 and alignment.colour_error < 0.1
    turn = (alignment.placement.azimuth + 140.0) % 360.0
    assert min(turn, 360.0 - turn) < 10.0, alignment.placement
