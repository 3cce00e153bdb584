"""A reference image and the views of a step, for priors from folders."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.priors.builtin import example_image
from a124core.protocols import View
from a124core.reference.reference import Reference, make_reference


@pytest.fixture(scope="session")
def reference() -> Reference:
    image, mask = example_image("robot", 64)
    return make_reference(image, mask, mask_marks="subject")


@pytest.fixture
def view(rng: torch.Generator) -> View:
    """Three cameras on three sides, and the images to repair."""
    cameras = make_cameras([0.0, 20.0, -10.0], [0.0, 60.0, 170.0], 1.8, 40.0)
    condition = torch.rand(3, 3, 24, 24, generator=rng)
    return View(cameras, make_cameras(0.0, 0.0), torch.zeros(3), torch.ones(3), condition=condition)
