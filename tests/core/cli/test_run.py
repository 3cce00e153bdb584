"""The command line from end to end, on stamps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from a124core.cli import watch
from a124core.cli.main import main
from a124core.export.checkpoint import load_field
from a124core.priors.builtin import example_picture

RESULTS = {"result.mp4", "contact.png", "losses.png", "losses.json", "times.png", "field.safetensors", "report.json"}
FIGURES = {"psnr_heldout", "psnr_heldout_256", "psnr_object", "psnr_reference", "motion_corr", "motion_amplitude",
           "colour_error", "iou", "detail", "saturation"}  # fmt: skip


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A snowman with transparency."""
    image, mask = example_picture("snowman", 64)
    path = tmp_path_factory.mktemp("picture") / "snowman.png"
    values = (torch.cat((image, mask), 1)[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(np.ascontiguousarray(values)).save(path)
    return path


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


def animate(picture: Path, out: Path, *more: object) -> int:
    return run("animate", "--image", picture, "--prompt", "a snowman bounces", "--out", out, "--quiet", *more)


def report(out: Path) -> dict:
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_demo_writes_everything_and_prints_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run("demo", "--subject", "duck", "--motion", "jump", "--out", tmp_path, "--quiet") == 0
    assert {p.name for p in tmp_path.iterdir()} == RESULTS
    values = report(tmp_path)
    assert [s["name"] for s in values["stages"]] == ["static", "coarse", "fine"]
    for stage in values["stages"]:
        assert set(stage) >= FIGURES | {"steps", "seconds", "peak_memory_mb"} and stage["steps"] > 0
    assert set(values["baseline"]) >= FIGURES
    assert values["subject"] == "duck" and values["motion"] == "jump" and "contain the answer" in values["note"]
    assert values["versions"]["torch"] and values["machine"] and values["config"]["field"]["time_grids"] == 3
    said = capsys.readouterr().out
    assert all(word in said for word in ("frozen static", "static", "coarse", "fine", "path corr", "machine:"))
    assert load_field(tmp_path / "field.safetensors").table.shape[0] == 3


def test_same_seed_same_field_and_earlier_results_are_replaced(picture: Path, tmp_path: Path) -> None:
    tables = []
    for seed in (1, 1, 2):
        assert animate(picture, tmp_path, "--seed", seed) == 0
        tables.append(load_field(tmp_path / "field.safetensors").table)
    assert torch.equal(tables[0], tables[1]) and not torch.equal(tables[1], tables[2])
    assert {p.name for p in tmp_path.iterdir()} == RESULTS


@pytest.mark.parametrize("stage", ["static", "coarse", "fine"])
def test_interrupted_and_resumed_is_the_same_as_never_stopped(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, stage: str
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert animate(picture, whole) == 0
    follow = watch.Watch.__call__

    def ctrl_c(self: watch.Watch, step: object) -> None:
        self.stop = step.stage == stage and step.step == 2
        follow(self, step)

    monkeypatch.setattr(watch.Watch, "__call__", ctrl_c)
    assert animate(picture, parts) == 130
    said = capsys.readouterr().out
    assert f"Stopped in the {stage} stage" in said and said.rstrip().endswith("--resume")
    assert not (parts / "report.json").exists()
    monkeypatch.setattr(watch.Watch, "__call__", follow)
    assert animate(picture, parts, "--resume") == 0
    a, b = (load_field(folder / "field.safetensors") for folder in (whole, parts))
    assert torch.equal(a.table, b.table) and torch.equal(a.occupancy.grid, b.occupancy.grid)
    assert json.loads((whole / "losses.json").read_text()) == json.loads((parts / "losses.json").read_text())
    assert {p.name for p in parts.iterdir()} == RESULTS


def test_resume_refuses_another_run(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert animate(picture, tmp_path, "--resume") == 2
    follow = watch.Watch.__call__

    def ctrl_c(self: watch.Watch, step: object) -> None:
        self.stop = True
        follow(self, step)

    monkeypatch.setattr(watch.Watch, "__call__", ctrl_c)
    assert animate(picture, tmp_path) == 130
    assert animate(picture, tmp_path, "--resume", "--seed", 5, "--steps-scale", 2) == 2
    assert "another seed and settings" in capsys.readouterr().err
    assert animate(picture, tmp_path) == 130  # without --resume: begins anew, what was there is kept
    assert (tmp_path / "unfinished-earlier" / "run.json").is_file()


def test_a_failing_run_keeps_earlier_results(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert animate(picture, tmp_path) == 0
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def collapse(self: watch.Watch, step: object) -> None:
        raise RuntimeError("coarse step 7: the field collapsed.")

    monkeypatch.setattr(watch.Watch, "__call__", collapse)
    assert animate(picture, tmp_path, "--seed", 3) == 1
    assert capsys.readouterr().err == "error: coarse step 7: the field collapsed.\n"
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}


@pytest.mark.parametrize(
    ("options", "stages"),
    [
        (["--skip", "fine", "--no-view-prior"], ["static", "coarse"]),
        (["--skip", "coarse", "--sampling", "random"], ["static", "fine"]),
        (["--skip", "coarse", "--skip", "fine"], ["static"]),
        (["--no-refine-prior", "--sampling", "never-zero", "--reference-mode", "paper"], ["static", "coarse", "fine"]),
    ],
)
def test_parts_can_be_left_out(picture: Path, tmp_path: Path, options: list[str], stages: list[str]) -> None:
    assert animate(picture, tmp_path, *options) == 0
    assert [s["name"] for s in report(tmp_path)["stages"]] == stages


def test_render_and_info(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert animate(picture, tmp_path) == 0
    field = tmp_path / "field.safetensors"
    film, folder = tmp_path / "new" / "a.mp4", tmp_path / "frames"
    assert run("render", field, "--out", film, "--frames", 3, "--size", 16) == 0 and film.stat().st_size > 0
    assert run("render", field, "--out", folder, "--frames", 3, "--size", 16, "--cameras", "still", "--time", 0.5) == 0
    assert len(list((folder / "images").iterdir())) == len(list((folder / "masks").iterdir())) == 3
    again = tmp_path / "again.gif"
    assert run("render", field, "--out", again, "--size", 16, "--cameras", folder / "transforms.json") == 0
    capsys.readouterr()
    assert run("info", field) == 0
    said = capsys.readouterr().out
    assert "time grids 3 (moves)" in said and "a snowman bounces" in said
    for wrong in (["--size", 4], ["--time", 2], ["--frames", 0], ["--cameras", "none.json"], ["--out", "a.avi"]):
        assert run("render", field, "--out", film, *wrong) == 2
