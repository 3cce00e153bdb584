"""A command line that finishes in a second or two: a preset and an exam of stamps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from a124core import evaluate
from a124core.cli import job, outputs
from a124core.stages.presets import preset

SIZE = 16


def tiny(name: str) -> object:
    """The demo preset, cut down to a few stamps."""
    full = preset("demo")
    render = {"size": SIZE, "reference_size": SIZE, "samples": 24, "occupancy_size": 8, "occupancy_slices": 2}

    def cut(config: object, steps: int) -> object:
        return replace(config, steps=steps, render=replace(config.render, **render))

    fine = replace(full.fine, refine_size=2 * SIZE)
    field = replace(full.field, time_grids=3, levels=3, base=4, finest=16, log2_rows=10)
    return replace(full, field=field, static=cut(full.static, 8), coarse=cut(full.coarse, 4), fine=cut(fine, 4))


@pytest.fixture(autouse=True)
def stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr(job, "preset", tiny)
    monkeypatch.setattr(evaluate, "LARGE", 32)
    monkeypatch.setattr(evaluate, "PATH_TIMES", 5)
    for name, value in (("FILM_FRAMES", 4), ("FILM_SIZE", 32), ("SHEET_SIZE", 24), ("TIMES_CLIPS", 50)):
        monkeypatch.setattr(outputs, name, value)
