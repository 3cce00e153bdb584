"""The command line on stamps: a preset and an evaluation set so small that a run takes a second or two. Workers
apply it too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from a124core.cli import outputs, prepare, run
from a124core.cli.benchmark import views
from a124core.evaluation import evaluate
from a124core.priors.builtin import make_priors
from a124core.render import clip as renderer
from a124core.runs.monitor import Intervals
from a124core.stages.presets import preset

SIZE = 16


def tiny(name: str) -> object:
    """The demo preset, cut down to a few stamps."""
    full = preset("demo")
    render = {"size": SIZE, "reference_size": SIZE, "samples": 24, "occupancy_size": 8, "occupancy_slices": 2}

    def cut(config: object, steps: int) -> object:
        return replace(config, steps=steps, render=replace(config.render, **render))

    field = replace(full.field, time_grids=3, levels=3, base_resolution=4, max_resolution=16, log2_hashmap_size=10)
    return replace(full, field=field, static=cut(full.static, 8), coarse=cut(full.coarse, 4), fine=cut(full.fine, 4))


MADE: dict[tuple, object] = {}


def made_once(reference: object, *words: object) -> object:
    """One bank for the same picture, camera and words, whatever the seed: a bank only remembers what it has drawn."""
    *rest, _seed, _on_progress = words
    key = (None if reference is None else (float(reference.image.sum()), float(reference.camera.azimuth)), *rest)
    if key not in MADE:
        MADE[key] = make_priors(reference, *rest, 0)
    return MADE[key]


def no_plots(folder: Path, *_: object) -> None:
    for name in ("losses.png", "times.png"):
        (folder / name).write_bytes(b"")


def apply_stamps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "preset", tiny)
    monkeypatch.setattr(prepare, "make_priors", made_once)
    monkeypatch.setattr(renderer, "PREVIEW_SAMPLES", 24)
    for name, value in (("LARGE", 24), ("TIMES", 2), ("PATH_TIMES", 5), ("PATH_SIZE", SIZE)):
        monkeypatch.setattr(evaluate, name, value)
    monkeypatch.setattr(run, "INTERVALS", Intervals(preview=1e9))
    monkeypatch.setattr(outputs, "write_plots", no_plots)  # seconds each; test_outputs draws them
    for name, value in (("FILM_FRAMES", 4), ("FILM_SIZE", 32), ("SHEET_SIZE", 24), ("TIMES_CLIPS", 50)):
        monkeypatch.setattr(outputs, name, value)
    monkeypatch.setattr(views, "SIZE", SIZE)
