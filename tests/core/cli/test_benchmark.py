"""A benchmark from folders to tables: alone, stopped in the middle, with bad scenes among good ones."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from a124core.cli import progress
from a124core.cli import run as pipeline
from a124core.cli.args import parser
from a124core.runs.monitor import Intervals
from a124core.stages.config import Preset
from tests.core.cli.small_benchmark import (
    CAPTIONS,
    PART,
    RUNS,
    VARIANTS,
    benchmark,
    counted_stages,
    make_data,
    rough,
    same_figures,
    tables,
    undisturbed_results,
    write_captions,
)


@pytest.fixture(autouse=True)
def rough_figures(monkeypatch: pytest.MonkeyPatch, stamps: None) -> None:
    rough(monkeypatch)


@pytest.fixture
def data(picture: Path, tmp_path: Path) -> Path:
    return make_data(picture, tmp_path / "data")


@pytest.fixture
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return undisturbed_results(data, tmp_path_factory)


def test_every_run_once_shared_stages_once_and_a_second_time_nothing(
    data: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    ran = counted_stages(monkeypatch)
    out = tmp_path / "out"
    assert benchmark(data, out) == 0
    if not (whole := tmp_path_factory.getbasetemp() / "undisturbed_benchmark").exists():
        shutil.copytree(out, whole)  # for the tests that come after
    assert sorted(ran) == sorted(["static", "coarse", "fine"] * 4), "a variant without refinement shares both stages"
    table, variants, runs = tables(out)
    assert len(runs) == RUNS and all(figures["psnr_heldout"] > 0 for _, figures in runs)
    assert [v["name"] for v in variants] == list(VARIANTS)
    full, other = (v["figures"]["psnr_heldout"] for v in variants)
    assert full["seeds"] == 2 and full["scenes"] == 2 and full["low"] < full["mean"] < full["high"]
    assert full["difference"]["mean"] == 0
    assert other["difference"]["mean"] == pytest.approx(other["mean"] - full["mean"])
    assert "| full |" in table and "| no refinement |" in table and "ann, bob" in table and "Failed" not in table
    names = {path.name for path in out.iterdir()}
    assert names == {"runs", "stages", "sheets", "benchmark.md", "benchmark.csv", "benchmark.json", "runs.csv",
                     "votes.html"}
    assert {path.name for path in (out / "sheets").iterdir()} == {"ann.png", "bob.png"}
    assert len((out / "runs.csv").read_text().splitlines()) == RUNS + 1
    head, first, *_ = (out / "benchmark.csv").read_text().splitlines()
    assert head.startswith("variant,figure,mean,low,high,scenes,seeds,difference_mean") and first.startswith("full,")
    ran.clear()
    capsys.readouterr()
    assert benchmark(data, out) == 0 and not ran and tables(out) == (table, variants, runs)
    assert f"{RUNS} of {RUNS} runs were finished earlier." in capsys.readouterr().out
    write_captions(data, CAPTIONS | {"bob": "a snowman spins"})  # other inputs are another run; the others stay
    assert benchmark(data, out, "--variants", "full", "--seeds", 0) == 0 and ran == ["static", "coarse", "fine"]


def test_stopped_in_the_middle_and_run_again_is_the_same_as_undisturbed(
    data: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    follow, steps = progress.TerminalProgress.on_step, []

    def ctrl_c(self: progress.TerminalProgress, step: object) -> None:
        steps.append(step.step)
        if len(steps) == 16 + 10:  # in the coarse stage of the second run
            signal.raise_signal(signal.SIGINT)
        follow(self, step)

    out = tmp_path / "out"
    with monkeypatch.context() as patches:
        patches.setattr(progress.TerminalProgress, "on_step", ctrl_c)
        assert benchmark(data, out, *PART) == 130
    said = capsys.readouterr().out
    assert "Stopped after 1 of 2 runs. To continue: " in said and "--resume" not in said
    assert len(list((out / "runs").rglob("unfinished/snapshot-?.safetensors"))) == 1, "the stage that ran was kept"
    assert not (out / "benchmark.md").exists()
    ran = counted_stages(monkeypatch)
    assert benchmark(data, out, *PART) == 0
    assert ran == ["coarse", "fine"], "the second run goes on in its coarse stage, the first stays as it is"
    assert same_figures(out, undisturbed) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to kill a process that has the stamps")
def test_killed_in_the_middle_and_run_again_is_the_same_as_undisturbed(
    data: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """SIGKILL gives nobody a chance to clean up: locks, temporary files and snapshots lie about."""
    out = tmp_path / "out"
    process = multiprocessing.get_context("fork").Process(target=_killed, args=(data, out))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert (out / ".animate124.lock").exists() and len(list((out / "runs").rglob("report.json"))) == 1
    assert benchmark(data, out, *PART) == 0 and "the lock was taken over" in capsys.readouterr().out
    assert same_figures(out, undisturbed) == 2
    assert not [path for path in out.rglob(".*")], "what the killed process left is gone"


def _killed(data: Path, out: Path) -> None:
    """In a process of its own: end without a word in the second run, just after a snapshot."""
    follow, steps = progress.TerminalProgress.on_step, []

    def kill(self: progress.TerminalProgress, step: object) -> None:
        steps.append(step.step)
        if len(steps) == 16 + 7:
            os.kill(os.getpid(), signal.SIGKILL)
        follow(self, step)

    progress.TerminalProgress.on_step = kill
    pipeline.INTERVALS = Intervals(0.0, 0.0, 1.0, 1e18, preview=1e9)
    sys.exit(benchmark(data, out, *PART))


def test_bad_scenes_in_the_middle_stop_no_other(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (data / "b-broken").mkdir()
    (data / "b-broken" / "image.jpg").write_bytes(b"no picture at all")
    (data / "b-empty").mkdir()
    (data / "b-mute").mkdir()
    shutil.copy(data / "ann" / "rgba.png", data / "b-mute" / "rgba.png")
    write_captions(data, CAPTIONS | {"b-broken": "a cat sits", "b-empty": "a cat runs", "ghost": "a ghost flies"})
    out = tmp_path / "out"
    assert benchmark(data, out, "--seeds", 0, "--variants", "full", "magic123-static") == 1
    said = capsys.readouterr()
    assert "error: 5 failures, among them b-empty (all its runs): holds no picture" in said.err
    table, _, runs = tables(out)
    assert {folder.split("/")[1] for folder, _ in runs} == {"ann", "bob"} and len(runs) == 4
    for line in ("b-broken, full, seed 0: ", "b-broken, magic123-static, seed 0: ",
                 "b-mute (all its runs): has no caption", "ghost (all its runs): has a caption and no folder",
                 "b-empty (all its runs): holds no picture"):
        assert f"- {line}" in table, line
    assert "image.jpg" in table[table.index("- b-broken"):]
    assert not list((out / "runs").glob("b-broken/*")), "nothing stays of a run that could not begin"
    nothing = tmp_path / "nothing"
    assert benchmark(data, nothing, "--seeds", 0, "--variants", "full", "--scenes", "b-broken") == 1
    assert (nothing / "benchmark.md").read_text(encoding="utf-8").startswith("No run has finished.\n")


def refused(capsys: pytest.CaptureFixture, data: Path, out: Path, *more: object) -> str:
    assert benchmark(data, out, *more) == 2
    assert not (out.parent.is_dir() and out.exists()), "nothing is made before all is well"
    return capsys.readouterr().err


def test_what_cannot_begin_is_refused_in_a_sentence(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    write_captions(data, '{"ann": "a cat", "bob": "a dog", "ann": "a cow"}')
    assert "captions.json has 'ann' twice: leave one of them." in refused(capsys, data, out)
    write_captions(data, '{"ann": "a cat",')
    assert "captions.json is not JSON (line 1): put it there" in refused(capsys, data, out)
    write_captions(data, {"ann": 5, "bob": " "})
    assert "ann has the caption 5, which is no text: write a sentence; bob the prompt is empty" in (
        refused(capsys, data, out).replace("\n", " "))
    write_captions(data, CAPTIONS)
    assert "there is no variant 'no-refinment': did you mean no-refinement?" in (
        refused(capsys, data, out, "--variants", "full", "no-refinment"))
    assert "variant no-controlnet: --refine naive needs --priors diffusers" in (
        refused(capsys, data, out, "--variants", "full", "no-controlnet"))
    missing = refused(capsys, data, out, "--priors", "diffusers", "--models", tmp_path)
    assert "variant full: 4 of the models are missing" in missing and f"  control: {tmp_path}" in missing
    assert "there is no scene 'eve'" in refused(capsys, data, out, "--scenes", "eve")
    assert "--workers is 0: choose 1 or more." in refused(capsys, data, out, "--workers", 0)
    assert "--threads is -1" in refused(capsys, data, out, "--threads", -1)
    assert "Ray gives each run a device of its own: write --device cpu." in (
        refused(capsys, data, out, "--workers", 2, "--device", "cpu:0"))
    for address in ("", "nonsense", "host:", "host:port", "ray://:10001", "host:99999"):
        assert f"--address is {address!r}: write HOST:PORT" in refused(capsys, data, out, "--address", address)
    assert "--steps-scale is 0.0" in refused(capsys, data, out, "--steps-scale", 0)
    assert "device 'nothing' is not available" in refused(capsys, data, out, "--device", "nothing")
    (data / "captions.json").unlink()
    assert "captions.json was not found: put it there, or name one with --captions" in refused(capsys, data, out)
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    write_captions(nothing, {})
    assert "holds no scene: each scene is a folder NAME/image.jpg" in refused(capsys, nothing, out)
    assert "is no folder" in refused(capsys, tmp_path / "absent", out)


def test_no_permission_to_write_is_said_before_anything_is_computed(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    ran = counted_stages(monkeypatch)
    (tmp_path / "file").write_text("")
    assert benchmark(data, tmp_path / "file" / "out") == 2 and not ran
    assert "is a file, and a folder is needed for the results: choose another --out." in capsys.readouterr().err


def test_a_full_folder_and_what_priors_take_of_it(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Masks, depth, words, clips and models go to the options of animate that take them."""
    from a124core.cli.benchmark.scenes import read_scenes

    for name in ("depth.png", "learned_embeds.bin", "model.glb", "image.jpg"):
        (data / "ann" / name).write_bytes(b"-")
    (data / "ann" / "clip").mkdir()
    write_captions(data, CAPTIONS | {"ann": {"caption": "a cat  sits", "refine_prompt": "a <token> sits"}})
    ann, _ = read_scenes(data, data / "captions.json")
    place = data.resolve() / "ann"
    common = (f"--image={place / 'rgba.png'}", f"--depth={place / 'depth.png'}")
    assert ann.arguments("builtin") == (
        *common, f"--clip={place / 'clip'}", f"--model={place / 'model.glb'}", "--prompt=a cat sits")
    assert ann.arguments("diffusers") == (
        *common, f"--token={place / 'learned_embeds.bin'}", "--prompt=a cat sits", "--refine-prompt=a <token> sits")
    assert ann.unused("diffusers") == ["clip", "model.glb"] and ann.unused("builtin") == ["learned_embeds.bin"]
    (data / "ann" / "clip.mp4").write_bytes(b"-")
    ann, _ = read_scenes(data, data / "captions.json")
    assert ann.problem.startswith("holds clip and clip.mp4")


def test_results_inside_the_data_are_no_scene(data: Path) -> None:
    from a124core.cli.benchmark.scenes import read_scenes

    (data / "out" / "runs").mkdir(parents=True)
    names = [scene.name for scene in read_scenes(data, data / "captions.json", without=data / "out")]
    assert names == list(CAPTIONS)




def test_a_preset_of_other_numbers_is_another_run(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a later release would mix the old results of a folder with its own."""
    from a124core.cli.benchmark import plan

    def folders(*more: str) -> set[Path]:
        options = parser().parse_args(["benchmark", str(data), "--out", str(data / "out"), *more])
        return {task.folder for task in plan.make_plan(options).tasks}

    before = {name: folders(f"--preset={name}") for name in ("auto", "demo", "good")}
    real = plan.preset

    def changed(name: str) -> Preset:
        values = real(name)
        return replace(values, fine=replace(values.fine, steps=values.fine.steps + 1)) if name == "demo" else values

    monkeypatch.setattr(plan, "preset", changed)
    assert not before["auto"] & folders("--preset=auto") and not before["demo"] & folders("--preset=demo")
    assert before["good"] == folders("--preset=good")
