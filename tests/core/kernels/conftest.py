"""Fixtures of the checks of a backend, backend*_checks.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from a124core.kernels import dispatch
from tests.core.kernels.backend import BACKEND, DEVICE


@pytest.fixture
def poisoned() -> Iterator[None]:
    """Unwritten memory holds NaN, or the largest integer."""
    torch.use_deterministic_algorithms(True, warn_only=True)
    assert torch.zeros(1).new_empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def ops() -> object:
    """The selected backend: its self-test must have passed too."""
    selected = dispatch.ops_for(torch.device(DEVICE))
    assert selected.NAME == BACKEND
    return selected
