"""Something for folder priors to look at."""

from __future__ import annotations

import pytest
import torch

from a124core.cameras.rig import make_cameras
from a124core.priors.builtin import example_image
from a124core.protocols import View
from a124core.reference.reference import Reference, make_reference


@pytest.fixture(scope="session")
def picture() -> Reference:
    image, mask = example_image("robot", 64)
    return make_reference(image, mask, mask_marks="subject")


@pytest.fixture
def seen(rng: torch.Generator) -> View:
    """Three pictures from three sides, and what is to be repaired in them."""
    cameras = make_cameras([0.0, 20.0, -10.0], [0.0, 60.0, 170.0], 1.8, 40.0)
    condition = torch.rand(3, 3, 24, 24, generator=rng)
    return View(cameras, make_cameras(0.0, 0.0), torch.zeros(3), torch.ones(3), condition=condition)
