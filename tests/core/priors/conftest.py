"""Tiny diffusers folders of every role, written once, and something to look at."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from a124core.cameras import make_cameras
from a124core.priors.builtin import example_picture
from a124core.protocols import View
from a124core.reference import Reference, make_reference


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `--models` is given. diffusers is an extra: where it is missing these tests are skipped."""
    pytest.importorskip("diffusers", reason="diffusers is not installed: it is an extra, needed for folders of models")
    pytest.importorskip("transformers", reason="transformers is not installed: needed for folders of models")
    from tests.tiny_folders import everything

    torch.set_num_threads(1)
    return everything(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def picture() -> Reference:
    image, mask = example_picture("robot", 64)
    return make_reference(image, mask, mask_marks="subject")


@pytest.fixture
def seen(rng: torch.Generator) -> View:
    """Three pictures from three sides, and what is to be repaired in them."""
    cameras = make_cameras([0.0, 20.0, -10.0], [0.0, 60.0, 170.0], 1.8, 40.0)
    condition = torch.rand(3, 3, 24, 24, generator=rng)
    return View(cameras, make_cameras(0.0, 0.0), torch.zeros(3), torch.ones(3), condition=condition)
