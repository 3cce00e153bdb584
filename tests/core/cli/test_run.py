"""The command line from end to end, on stamps."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.cli import estimate as forecast
from a124core.cli import progress
from a124core.cli import run as pipeline
from a124core.cli.folder import RunFolder
from a124core.cli.main import main
from a124core.cli.prepare import RUN_VERSION, RunOptions, prepare
from a124core.export.checkpoint import load_field
from a124core.runs import memory as needs
from a124core.runs.monitor import Intervals
from a124core.runs.store import RunStore
from a124core.stages.loop import STAGES
from a124core.stages.presets import preset

RESULTS = {"result.mp4", "contact.png", "losses.png", "losses.json", "times.png", "field.safetensors", "report.json"}
FIGURES = {"psnr_heldout", "psnr_heldout_256", "psnr_object", "psnr_reference", "motion_corr", "motion_amplitude",
           "colour_error", "iou", "detail", "detail_correlation", "saturation", "psnr_object_time_0",
           "psnr_object_time_1", "psnr_object_worst"}


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
    words = ("frozen static", "static", "coarse", "fine", "path corr", "worst moment", "machine:")
    assert all(word in said for word in words)
    assert load_field(tmp_path / "field.safetensors").table.shape[0] == 3


def test_same_seed_same_field_and_earlier_results_are_replaced(picture: Path, tmp_path: Path) -> None:
    tables = []
    for seed in (0, 0, 2):
        assert animate(picture, tmp_path, "--seed", seed, "--skip", "coarse", "--skip", "fine") == 0
        tables.append(load_field(tmp_path / "field.safetensors").table)
    assert torch.equal(tables[0], tables[1]) and not torch.equal(tables[1], tables[2])
    assert {p.name for p in tmp_path.iterdir()} == RESULTS


@pytest.fixture
def never_stopped(picture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One undisturbed run, made for the first test that asks."""
    out = tmp_path_factory.getbasetemp() / "never-stopped"
    if not out.exists():
        assert animate(picture, out) == 0
    return out


@pytest.mark.parametrize("stage", ["static", "coarse", "fine"])
def test_interrupted_and_resumed_is_the_same_as_never_stopped(
    picture: Path,
    never_stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    stage: str,
) -> None:
    parts = tmp_path / "parts"
    follow = progress.TerminalProgress.on_step

    def ctrl_c(self: progress.TerminalProgress, step: object) -> None:
        if step.stage == stage and step.step == 2:
            signal.raise_signal(signal.SIGINT)
        follow(self, step)

    monkeypatch.setattr(progress.TerminalProgress, "on_step", ctrl_c)
    assert animate(picture, parts) == 130
    said = capsys.readouterr().out
    assert f"Stopped in the {stage} stage" in said and said.rstrip().endswith("--resume")
    assert not (parts / "report.json").exists()
    monkeypatch.setattr(progress.TerminalProgress, "on_step", follow)
    assert animate(picture, parts, "--resume") == 0
    a, b = (load_field(folder / "field.safetensors") for folder in (never_stopped, parts))
    assert torch.equal(a.table, b.table) and torch.equal(a.occupancy.grid, b.occupancy.grid)
    assert json.loads((never_stopped / "losses.json").read_text()) == json.loads((parts / "losses.json").read_text())
    assert {p.name for p in parts.iterdir()} == RESULTS


def test_previews_and_snapshots_on_the_way(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """After a crash without any warning, the newest of two snapshots is there; a damaged one is passed over."""
    monkeypatch.setattr(pipeline, "INTERVALS", Intervals(0.0, 0.0, 1.0, 1e18, preview=0.0))
    follow = progress.TerminalProgress.on_step

    def crash(self: progress.TerminalProgress, step: object) -> None:
        follow(self, step)
        if step.step == 6:
            raise ZeroDivisionError

    monkeypatch.setattr(progress.TerminalProgress, "on_step", crash)
    with pytest.raises(ZeroDivisionError):
        animate(picture, tmp_path)
    with Image.open(tmp_path / "unfinished" / "preview.png") as preview:
        assert preview.width == 2 * preview.height
    slots = sorted((tmp_path / "unfinished").glob("snapshot-*"), key=lambda path: path.stat().st_mtime_ns)
    assert len(slots) == 2
    assert main(["info", str(slots[1])]) == 0
    assert "static stage after 6 steps" in capsys.readouterr().out
    slots[1].write_bytes(b"cut")
    assert RunFolder(tmp_path).store.newest().step == 5


def test_a_full_disk_does_not_end_a_run_that_only_wanted_a_snapshot(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(pipeline, "INTERVALS", Intervals(0.0, 0.0, 1.0, 1e18, preview=1e9))

    def full(self: RunStore, snapshot: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(RunStore, "save", full)
    assert animate(picture, tmp_path, "--skip", "coarse", "--skip", "fine") == 0
    assert "Snapshot not saved, the run goes on: the disk is full" in capsys.readouterr().err


def test_resume_refuses_another_run(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert animate(picture, tmp_path, "--resume") == 2
    follow = progress.TerminalProgress.on_step

    def ctrl_c(self: progress.TerminalProgress, step: object) -> None:
        self.stop = True
        follow(self, step)

    monkeypatch.setattr(progress.TerminalProgress, "on_step", ctrl_c)
    assert animate(picture, tmp_path) == 130
    assert animate(picture, tmp_path, "--resume", "--seed", 5, "--steps-scale", 2) == 2
    different = "(seed: 0, now 5, coarse steps: 4, now 8, fine steps: 4, now 8 and 1 more)"
    assert f"other options {different}" in capsys.readouterr().err
    assert animate(picture, tmp_path) == 130  # without --resume: begins anew, what was there is kept
    assert (tmp_path / "unfinished-earlier-1" / "run.json").is_file()


def test_an_interrupted_run_from_before_an_option_goes_on(tmp_path: Path) -> None:
    """Options that came later stand at their defaults, which do what was done before."""

    def identity(*lacking: str, **optim: float) -> dict[str, str]:
        settings = asdict(preset("demo"))
        for stage in STAGES:
            del settings[stage]["render"]["chunk"]
            settings[stage]["optim"].update(optim)
            for name in lacking:
                del settings[stage][name.split(".")[0]][name.split(".")[1]]
        return {"version": RUN_VERSION, "settings": json.dumps(settings, sort_keys=True)}

    folder = RunFolder(tmp_path)
    folder.write_head(identity("render.normals", "optim.clip_norm"), anew=True)
    with folder.running(identity(), {}, print):
        pass
    folder.write_head(identity("render.normals", "optim.clip_norm"), anew=True)
    with pytest.raises(ValueError, match="coarse optim clip_norm"), folder.running(identity(clip_norm=1.0), {}, print):
        pass


def test_a_failing_run_keeps_earlier_results(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    assert animate(picture, tmp_path, "--skip", "fine") == 0
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def collapse(self: progress.TerminalProgress, step: object) -> None:
        raise RuntimeError("coarse step 7: the field collapsed.")

    monkeypatch.setattr(progress.TerminalProgress, "on_step", collapse)
    assert animate(picture, tmp_path, "--seed", 3) == 1
    assert capsys.readouterr().err == "error: coarse step 7: the field collapsed.\n"
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}


@pytest.mark.parametrize(
    ("options", "stages"),
    [
        (["--skip", "fine", "--no-view-prior"], ["static", "coarse"]),
        (["--skip", "coarse", "--sampling", "random"], ["static", "fine"]),
        (["--skip", "coarse", "--skip", "fine"], ["static"]),
        (["--refine", "none", "--sampling", "never-zero", "--reference-mode", "paper"], ["static", "coarse", "fine"]),
    ],
)
def test_parts_can_be_left_out(picture: Path, tmp_path: Path, options: list[str], stages: list[str]) -> None:
    assert animate(picture, tmp_path, *options) == 0
    assert [s["name"] for s in report(tmp_path)["stages"]] == stages


def test_a_sampling_leaves_each_stage_its_own_clips() -> None:
    demo = preset("demo")
    settings = prepare(RunOptions(None, "a robot is swaying", sampling="random")).settings
    for stage in ("coarse", "fine"):
        assert getattr(settings, stage).time == replace(getattr(demo, stage).time, sampling="random")
    assert demo.coarse.time.frames != demo.fine.time.frames


def test_render_and_info(never_stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    field = never_stopped / "field.safetensors"
    film, folder = tmp_path / "new" / "a.mp4", tmp_path / "frames"
    assert run("render", field, "--out", film, "--frames", 3, "--size", 16) == 0 and film.stat().st_size > 0
    assert run("render", field, "--out", folder, "--frames", 3, "--size", 16, "--cameras", "still", "--time", 0.5) == 0
    assert len(list((folder / "images").iterdir())) == len(list((folder / "masks").iterdir())) == 3
    again = tmp_path / "again.gif"
    assert run("render", field, "--out", again, "--size", 16, "--cameras", folder / "transforms.json") == 0
    capsys.readouterr()
    assert run("info", field) == 0
    said = capsys.readouterr().out
    first, prompt, motion, subject, *others = said.splitlines()
    assert "a field that moves" in first and prompt == "  prompt: a snowman bounces"
    assert motion.startswith("  motion: ") and subject.startswith("  subject: ")
    assert "time_grids 3" in said.split("details:")[1] and "details:" in others
    assert run("info", never_stopped) == 0 and capsys.readouterr().out == said
    assert run("info", tmp_path) == 2 and "holds no field.safetensors" in capsys.readouterr().err
    for wrong in (["--size", 4], ["--time", 2], ["--frames", 0], ["--cameras", "none.json"], ["--out", "a.avi"]):
        assert run("render", field, "--out", film, *wrong) == 2


def test_ctrl_c_while_a_stage_is_graded_keeps_the_stage(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    of_field, asked = pipeline.field_renderer, []

    def pressed(field: object, device: str) -> object:
        watch_of[0].stop = not asked  # once: after the static stage
        asked.append(1)
        return of_field(field, device)

    watch_of: list[progress.TerminalProgress] = []
    start = progress.TerminalProgress.__init__

    def remembered(self: progress.TerminalProgress, *args: object) -> None:
        start(self, *args)
        watch_of[:] = [self]

    monkeypatch.setattr(progress.TerminalProgress, "__init__", remembered)
    monkeypatch.setattr(pipeline, "field_renderer", pressed)
    assert animate(picture, tmp_path, "--skip", "fine") == 130
    assert "Stopped in the static stage. To continue:" in capsys.readouterr().out
    assert (tmp_path / "unfinished" / "static.safetensors").is_file()
    assert animate(picture, tmp_path, "--skip", "fine", "--resume") == 0
    assert [s["name"] for s in report(tmp_path)["stages"]] == ["static", "coarse"]


def test_estimate_tries_every_stage_and_writes_nothing(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(forecast, "FOG_STEPS", 2)
    out = tmp_path / "out"
    asked = ("animate", "--image", picture, "--prompt", "a snowman bounces", "--quiet", "--steps-scale", 2)
    assert run(*asked) == 2 and "add --out FOLDER, or --estimate" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert run(*asked, "--estimate") == 0 and sorted(tmp_path.iterdir()) == files
    assert animate(picture, out, "--estimate", "--steps-scale", 2) == 0
    lines = capsys.readouterr().out.splitlines()
    lines = lines[len(lines) // 2 :]
    for stage, steps in (("static", 16), ("coarse", 8), ("fine", 8)):
        at = next(k for k, line in enumerate(lines) if line.startswith(f"{stage}: {steps} steps, about "))
        assert "of memory beside the program (field and optimiser" in lines[at]
        assert lines[at + 1] == f"  trying {7 if stage == 'static' else 5} steps ..."
        assert f"s for {steps} steps" in lines[at + 2] and "measured:" in lines[at + 2]
    assert lines[0].startswith("Trying a few steps of each stage")
    assert "Preset: demo, chosen by auto because no model is among the priors." in lines
    assert lines[-1].startswith("all stages: about") and not out.exists()


def test_a_run_says_what_it_will_hold_and_what_to_do_where_that_is_too_much(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(needs, "free_memory", lambda device: 1)
    assert animate(picture, tmp_path, "--skip", "coarse", "--skip", "fine", "--memory", "low") == 0, "never refused"
    said = capsys.readouterr().out
    assert "static: 8 steps, about" in said and "if it runs out of memory, start again with a smaller preset" in said
