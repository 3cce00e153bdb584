"""The plots of a run, and the times that clips really ask for."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.cli import outputs
from a124core.stages.presets import preset

REAL_PLOTS = outputs.write_plots  # the other tests of this folder do without


def test_plots(tmp_path: Path) -> None:
    losses = {"static": {"rgb": [(1, 1.0), (2, 0.5)]}}
    REAL_PLOTS(tmp_path, losses, preset("demo").coarse.time)
    assert all(min(Image.open(tmp_path / name).size) > 100 for name in ("losses.png", "times.png"))
    assert not logging.getLogger("matplotlib").isEnabledFor(logging.WARNING), "it warns of where it keeps its fonts"


def test_balanced_clips_start_at_zero_more_often() -> None:
    times = outputs.sample_clip_starts(preset("released").coarse.time, 4000)
    starts = {name: float((clips[:, 0] == 0).float().mean()) for name, clips in times.items()}
    assert times["random"].shape == (4000, 16)
    assert starts["balanced"] == pytest.approx(0.107, abs=0.02)  # release: 10.7 % against 0.9 %
    assert starts["random"] == pytest.approx(0.009, abs=0.008)
    assert torch.equal(times["random"], outputs.sample_clip_starts(preset("released").coarse.time, 4000)["random"])
