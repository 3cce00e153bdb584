"""Priors that hold the host's models let go of them, however a run ends."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import pytest


@pytest.mark.parametrize("ends_well", [True, False])
def test_they_are_closed_after_the_last_step_and_after_a_cancel(
    pack_module: Callable[[str], ModuleType], ends_well: bool
) -> None:
    memory = pack_module("nodes.host.memory")
    closed: list[str] = []

    class Native(pack_module("a124core.protocols").ModelPrior):
        def models(self) -> list:
            return []

        def activation_bytes(self) -> int:
            return 0

        def close(self) -> None:
            closed.append("closed")

    priors = (Native(), object())  # the last holds nothing
    guidances = [None, *(SimpleNamespace(prior=prior, source=None) for prior in priors)]
    if ends_well:
        with memory.loaded_models(guidances):
            assert not closed
    else:
        with pytest.raises(KeyboardInterrupt), memory.loaded_models(guidances):
            raise KeyboardInterrupt
    assert closed == ["closed"]
