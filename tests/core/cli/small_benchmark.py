"""A benchmark of two scenes, two variants and two seeds on stamps, and what its tests compare."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from a124core.cli import run as pipeline
from a124core.cli.benchmark import views
from a124core.cli.main import main
from a124core.evaluation import evaluate

VARIANTS, SEEDS = ("full", "no-refinement"), (0, 1)
CAPTIONS = {"ann": "a snowman bounces", "bob": "a snowman sways"}
RUNS = len(VARIANTS) * len(SEEDS) * len(CAPTIONS)


def rough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures of few samples a ray: they are compared with themselves alone."""
    monkeypatch.setattr(evaluate, "SAMPLES", 8)
    monkeypatch.setattr(views, "SIZE", 8)


def counted_stages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the stages that run from now on, in their order."""
    run_stage, ran = pipeline.run_stage, []

    def counted(prepared: object, stage: str, *more: object) -> object:
        ran.append(stage)
        return run_stage(prepared, stage, *more)

    monkeypatch.setattr(pipeline, "run_stage", counted)
    return ran


def make_data(picture: Path, folder: Path) -> Path:
    """Two scenes of one picture."""
    for name in CAPTIONS:
        (folder / name).mkdir(parents=True)
        shutil.copy(picture, folder / name / "rgba.png")
    write_captions(folder, CAPTIONS)
    return folder


def write_captions(folder: Path, captions: dict | str) -> None:
    text = captions if isinstance(captions, str) else json.dumps(captions)
    (folder / "captions.json").write_text(text, encoding="utf-8")


def benchmark(data: Path, out: Path, *more: object) -> int:
    arguments = ["benchmark", data, "--out", out, "--variants", *VARIANTS, "--seeds", *SEEDS, "--threads", 1, "--quiet"]
    return main([str(a) for a in (*arguments, *more)])


def tables(out: Path) -> tuple[str, list, list]:
    """What must not depend on how the runs were made: the table, and every figure of every run."""
    values = json.loads((out / "benchmark.json").read_text(encoding="utf-8"))
    runs = [(run["folder"], run["figures"]) for run in values["runs"]]
    return (out / "benchmark.md").read_text(encoding="utf-8"), values["variants"], runs


PART = ("--scenes", "ann", "--variants", "full")  # two runs, whose figures are those of the whole benchmark


def same_figures(out: Path, whole: Path) -> int:
    """How many runs there are; every one has to the last digit the figures of the same run in the whole."""
    part, runs = dict(tables(out)[2]), dict(tables(whole)[2])
    assert part == {name: runs[name] for name in part}
    return len(part)


def undisturbed_results(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of an undisturbed benchmark, made once."""
    out = tmp_path_factory.getbasetemp() / "undisturbed_benchmark"
    if not out.exists():
        assert benchmark(data, out) == 0
    return out
