"""Alignment: from any turn, size and place a model comes to lie on the subject of the reference image."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from a124core.models3d.align import Placement, align, place
from a124core.models3d.gaussians import GaussianModel
from a124core.models3d.read import read_model
from a124core.priors.builtin.make import example_image
from a124core.reference.reference import Reference, make_reference
from tests.core.models3d.scenes import surfel_gaussians, write_gaussians


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


def test_a_turned_small_model_is_aligned(tmp_path: Path) -> None:
    alignment = align(*moved_model(tmp_path, "duck", Placement(140.0, 0.0, 0.7, 0.1, -0.1)))
    assert alignment.overlap > 0.9 and alignment.colour_error < 0.1
    turn = (alignment.placement.azimuth + 140.0) % 360.0
    assert min(turn, 360.0 - turn) < 10.0, alignment.placement
