"""The line under which a run works: there before the first step, and with the time of slow steps."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace

import pytest

from a124core.cli import progress
from a124core.cli.folder import RunFolder


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that is set by hand."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr("tqdm.std.time", lambda: clock.now)
    return clock


def lines(capsys: pytest.CaptureFixture) -> list[str]:
    """Not empty ones, without the spaces that wipe what stood there."""
    return [line.strip() for line in capsys.readouterr().err.split("\r") if line.strip()]


def test_slow_steps_are_announced_and_timed_one_by_one(slow: SimpleNamespace, capsys: pytest.CaptureFixture) -> None:
    bar = progress.step_bar("static", 0, 500, quiet=False)
    assert lines(capsys) == ["static: first step of 500 ..."]
    for steps in (1, 2, 3):
        slow.now += 75.0
        progress.advance(bar)
        (said,) = lines(capsys)
        assert said.startswith("static:   0% |") or said.startswith("static:   1% |")
        assert f"{steps} of 500, 75.00s/step, " in said and said.endswith(" left")
    assert " 10:21:15 left" in said, "497 times 75 seconds"
    bar.close()


def test_after_fast_steps_a_slow_one_is_still_shown(slow: SimpleNamespace, capsys: pytest.CaptureFixture) -> None:
    """The first steps of a stage may look at the picture alone, and the later ones ask models."""
    bar = progress.step_bar("static", 0, 500, quiet=False)
    for _ in range(100):
        slow.now += 0.2
        progress.advance(bar)
    lines(capsys)
    slow.now += 60.0
    progress.advance(bar)
    assert len(lines(capsys)) == 1
    bar.close()


def test_a_resumed_stage_says_where_it_goes_on(capsys: pytest.CaptureFixture) -> None:
    progress.step_bar("fine", 120, 500, quiet=False).close()
    assert lines(capsys)[0] == "fine: going on after step 120 of 500 ..."


def test_quiet_says_nothing(capsys: pytest.CaptureFixture) -> None:
    bar = progress.step_bar("fine", 0, 5, quiet=True)
    progress.advance(bar)
    bar.close()
    assert not capsys.readouterr().err


def test_a_stage_that_goes_back_counts_and_logs_its_steps_once(tmp_path: Path) -> None:
    shown = progress.TerminalProgress(RunFolder(tmp_path), quiet=True)
    with shown.stage("static", 0, 5):
        for number in (1, 2, 3, 4, 3, 4, 5):
            losses = {"rgb": 0.1, "mask": 1.0} if number == 4 else {"rgb": 0.1}
            shown.on_step(SimpleNamespace(stage="static", step=number, losses=losses, gradient_shares={}))
    assert [k for k, _ in shown.losses["static"]["rgb"]] == [1, 2, 3, 4, 5] and len(shown.losses["static"]["mask"]) == 1


@pytest.mark.parametrize("quiet", [False, True])
def test_a_stage_says_who_moved_the_field(
    quiet: bool, slow: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The bar has the picture's share as soon as there is one, the line after the stage has all."""
    shown = progress.TerminalProgress(RunFolder(tmp_path), quiet=quiet)
    with shown.stage("coarse", 0, 2):
        for number, shares in ((1, {}), (2, {"picture": 0.25, "sds view": 0.0625, "sds video": 0.6875})):
            slow.now += 60.0
            shown.on_step(SimpleNamespace(stage="coarse", step=number, losses={}, gradient_shares=shares))
    said = capsys.readouterr().err
    assert ("coarse: picture 25 %, view 6 %, video 69 % of the last gradients." in said) != quiet
    assert (said.count("picture 25 %") > 1) != quiet and ("view" in said) != quiet


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_terminal_that_is_closed_stops_a_run_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program is told by SIGHUP, and nothing can be printed any more; under nohup the signal counts for nothing."""

    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(progress.tqdm, "write", gone)
    before = signal.getsignal(signal.SIGHUP)
    for handler, stops in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):
        signal.signal(signal.SIGHUP, handler)
        front_end = SimpleNamespace(stop=False)
        try:
            with progress.interruptible(front_end):
                signal.raise_signal(signal.SIGHUP)
            assert front_end.stop == stops and signal.getsignal(signal.SIGHUP) is handler
        finally:
            signal.signal(signal.SIGHUP, before)
