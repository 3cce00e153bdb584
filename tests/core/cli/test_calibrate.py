"""`animate --calibrate`: each stage chooses the numbers of its models, says which, and a resume keeps to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from a124core.cli.calibrate import calibrated_guidances
from a124core.cli.main import main
from a124core.cli.prepare import PreparedRun, RunOptions, prepare, run_identity
from a124core.cli.progress import Interrupted
from a124core.priors.builtin import example_image
from a124core.priors.defaults import RELEASED
from a124core.protocols import Guidances
from a124core.reference.reference import make_reference
from benchmarks.echo_prior import EchoPrior


def animate(picture: Path, out: Path, *more: object) -> int:
    words = ("animate", "--image", picture, "--prompt", "a snowman is swaying", "--out", out, "--quiet", "--calibrate")
    return main([str(a) for a in (*words, "--skip", "fine", *more)])


def test_every_model_of_a_stage_is_measured_and_told_of(
    models: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role, numbers in RELEASED.items():
        monkeypatch.setitem(RELEASED, role, replace(numbers, size=16))
    given = ("--priors", "diffusers", "--models", models, "--preset", "demo", "--steps-scale", 0.3)
    assert animate(picture, tmp_path / "out", *given) == 0
    said = capsys.readouterr().out
    assert said.count("calibrating the guidances") == 2
    lines = [line for line in said.splitlines() if line.startswith("  ")]
    roles = [role for line in lines for role in ("image", "view", "video") if f"the {role} guidance" in line.lower()]
    assert roles == ["image", "view", "view", "video"]
    assert all("is calibrated: cfg" in line or "Not calibrated: no cfg" in line for line in lines), said


def echoing(cfg: float) -> PreparedRun:
    """A built-in scene whose view prior rests at .2 cfg of the contrast."""
    reference = make_reference(*example_image("snowman"), mask_marks="subject")
    prepared = prepare(RunOptions(reference, "a snowman is swaying", subject="snowman", calibrate=True))
    view = replace(prepared.guidances.view, prior=EchoPrior(prepared.guidances.view.prior, 0.2, cfg), t_max_end=None)
    return replace(prepared, guidances=Guidances(view=view), static_view=None)


def test_a_stage_gets_the_cfg_that_is_told() -> None:
    prepared, said = echoing(2.0), []
    chosen = calibrated_guidances(prepared, "static", None, said.append, lambda: None).view.prior.cfg
    assert chosen == pytest.approx(5.0, rel=0.2)
    assert f"  The view guidance is calibrated: cfg {chosen:g} in place of 2, noise" in said[1]


def test_it_can_be_stopped_before_every_query() -> None:
    prepared, asked = echoing(2.0), []

    def check_stop() -> None:
        asked.append(True)
        if len(asked) == 3:
            raise Interrupted("in the static stage")

    with pytest.raises(Interrupted):
        calibrated_guidances(prepared, "static", None, [].append, check_stop)


def test_built_in_priors_have_no_use_for_it(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert animate(picture, tmp_path / "out", "--skip", "coarse", "--no-view-prior") == 0
    said = capsys.readouterr().out
    assert "--calibrate" in said and "The image guidance is exact, so calibrate leaves it as it is." in said


def test_a_run_is_not_continued_with_and_without() -> None:
    options = RunOptions(None, "a snowman is swaying", subject="snowman", steps_scale=0.1)
    prepared = prepare(options)
    on, off = (run_identity(replace(prepared, options=replace(options, calibrate=c))) for c in (True, False))
    assert on["models"] == "built-in calibrated" and off["models"] == "built-in"
    assert {k: v for k, v in on.items() if k != "models"} == {k: v for k, v in off.items() if k != "models"}
