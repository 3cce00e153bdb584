"""Runs that end early: what is kept, what comes back, and what the user is told to do."""

from __future__ import annotations

import runpy
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

from a124core.cli import folder as folders
from a124core.cli import progress
from a124core.cli import run as pipeline
from a124core.cli.folder import RunFolder
from a124core.cli.main import main
from a124core.cli.prepare import PreparedRun
from a124core.protocols import FieldLostError, Guidances, Prior, View
from a124core.runs.monitor import Intervals
from tests.core.misfits import misfit


def animate(picture: Path, out: Path, *more: object) -> int:
    words = ("animate", "--image", picture, "--prompt", "a snowman bounces", "--out", out, "--quiet", *more)
    return main([str(word) for word in words])


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def stopping_at(monkeypatch: pytest.MonkeyPatch, last: int, why: BaseException) -> None:
    """What ends a run after this many steps, without waiting for anything."""
    follow = progress.TerminalProgress.on_step

    def ended(self: progress.TerminalProgress, step: object) -> None:
        follow(self, step)
        if step.step == last:
            raise why

    monkeypatch.setattr(progress.TerminalProgress, "on_step", ended)


@pytest.fixture
def interrupted(picture: Path, tmp_path: Path) -> Path:
    """A folder with a run that Ctrl-C stopped after two steps."""
    out = tmp_path / "interrupted"
    with pytest.MonkeyPatch.context() as monkeypatch:
        follow = progress.TerminalProgress.on_step

        def stop(self: progress.TerminalProgress, step: object) -> None:
            self.stop = step.step == 2
            follow(self, step)

        monkeypatch.setattr(progress.TerminalProgress, "on_step", stop)
        assert animate(picture, out) == 130
    return out


@pytest.mark.parametrize("why", [KeyboardInterrupt(), FieldLostError("the field collapsed.")])
def test_what_ends_before_anything_is_kept_leaves_nothing_but_what_was_there(
    picture: Path,
    interrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    why: BaseException,
) -> None:
    """A preview has been drawn by then: it goes too."""
    before, code = files(interrupted), 130 if isinstance(why, KeyboardInterrupt) else 1
    monkeypatch.setattr(pipeline, "INTERVALS", Intervals(preview=0.0))
    stopping_at(monkeypatch, 3, why)
    capsys.readouterr()
    assert animate(picture, tmp_path / "new" / "out", "--seed", 3) == code and not (tmp_path / "new").exists()
    assert animate(picture, interrupted, "--seed", 3) == code and files(interrupted) == before
    said = capsys.readouterr()
    assert f"Nothing of this run was kept: the interrupted one is in {interrupted / 'unfinished'} again." in said.out
    assert ("Stopped: nothing was kept" in said.err) == (code == 130) and "To continue" not in said.out + said.err


def test_a_run_that_cannot_begin_brings_the_interrupted_one_back(
    picture: Path, interrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files(interrupted)

    def full(path: Path, values: dict) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(folders, "write_json", full)
    assert animate(picture, interrupted, "--seed", 3) == 2 and files(interrupted) == before


def test_ctrl_c_at_once_says_how_to_go_on_from_what_was_kept(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(pipeline, "INTERVALS", Intervals(0.0, 0.0, 1.0, 1e18, preview=1e9))
    stopping_at(monkeypatch, 3, KeyboardInterrupt())
    assert animate(picture, tmp_path, "--skip", "coarse", "--skip", "fine") == 130
    assert "Stopped at once, the last snapshot is kept. To continue: " in capsys.readouterr().out
    monkeypatch.undo()
    assert RunFolder(tmp_path).store.newest().step == 2


@pytest.mark.parametrize("more", [[], ["--resume"]])
def test_ctrl_c_while_models_are_read(
    picture: Path,
    interrupted: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    more: list[str],
) -> None:
    """Who resumes may do so again; an earlier run that nobody resumed is not advised."""

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    before = files(interrupted)
    monkeypatch.setattr(pipeline, "prepare_aloud", pressed)
    capsys.readouterr()
    assert animate(picture, interrupted, *more) == 130 and files(interrupted) == before
    said = capsys.readouterr()
    assert ("To continue: " in said.out, "nothing was kept" in said.err) == (bool(more), not more)


def test_ctrl_c_while_the_program_is_loaded_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Loading(ModuleType):
        @property
        def main(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "a124core.cli.main", Loading("a124core.cli.main"))
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("a124core", run_name="__main__")
    assert ended.value.code == 130 and capsys.readouterr().err == "Stopped before anything was done.\n"


NO_MEMORY = "in the coarse stage is out of memory: start it again with --memory low, and --resume"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("c_concat"), "failed in denoise (KeyError: 'c_concat')."),
        (MemoryError(), NO_MEMORY),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried 2 GiB"), NO_MEMORY),
    ],
)
def test_a_prior_that_fails_is_named_and_the_run_can_be_resumed(
    picture: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    error: Exception,
    words: str,
) -> None:
    answers: list[View] = []

    def failing(prior: Prior, x_t: torch.Tensor, sigma: torch.Tensor, view: View) -> torch.Tensor:
        answers.append(view)
        if len(answers) == 2:
            raise error
        return x_t * 0.5

    def stage_guidances(self: PreparedRun, stage: str) -> Guidances:
        guidances = guidances_of(self, stage)
        if stage != "coarse":
            return guidances
        return replace(guidances, video=misfit(guidances.video, failing))

    guidances_of = PreparedRun.stage_guidances
    monkeypatch.setattr(PreparedRun, "stage_guidances", stage_guidances)
    assert animate(picture, tmp_path) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: the video prior (") and words in said and len(said.strip().splitlines()) == 1
    assert RunFolder(tmp_path).store.newest().stage == "coarse"
    monkeypatch.setattr(PreparedRun, "stage_guidances", guidances_of)
    assert animate(picture, tmp_path, "--resume") == 0
