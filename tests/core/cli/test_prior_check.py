"""`prior-check`: sheet, curve and report of the priors that a run would use, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from a124core.cli.main import main
from a124core.cli.prior_check import CURVE, REPORT, SHEET
from a124core.priors.defaults import RELEASED


def check(picture: Path, out: Path, *more: object) -> int:
    words = ("prior-check", "--image", picture, "--prompt", "a snowman is swaying", "--out", out, "--size", 16)
    return main([str(a) for a in (*words, "--quiet", *more)])


def test_it_writes_a_sheet_and_a_report_and_on_request_the_curve(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert check(picture, out, "--skip", "fine", "--skip", "coarse", "--curve") == 0
    report = (out / REPORT).read_text(encoding="utf-8")
    assert "The image guidance is exact" in report and "The view guidance is exact" in report
    assert "video" not in report and report.strip() in capsys.readouterr().out
    for name in (SHEET, CURVE):
        with Image.open(out / name) as image:
            assert min(image.size) > 100
    assert sorted(p.name for p in out.iterdir()) == sorted((SHEET, CURVE, REPORT))
    assert check(picture, out := tmp_path / "plain", "--skip", "fine", "--skip", "coarse", "--no-view-prior") == 0
    assert not (out / CURVE).exists() and "exact" not in (out / REPORT).read_text(encoding="utf-8")


def test_folders_of_models_are_checked_and_closed(
    models: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role, numbers in RELEASED.items():
        monkeypatch.setitem(RELEASED, role, replace(numbers, size=16))
    out = tmp_path / "out"
    assert check(picture, out, "--priors", "diffusers", "--models", models, "--curve", "--memory", "low") == 0
    report = (out / REPORT).read_text(encoding="utf-8")
    assert all(f"The {role} guidance" in report for role in ("image", "view", "video", "refine"))
    assert "fails" not in report and (out / CURVE).is_file()


def test_what_cannot_be_checked_is_refused_in_a_sentence(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for more, text in (
        (("--size", 4), "choose 8 to 1024"), (("--field", tmp_path / "none.safetensors"), "none.safetensors"),
        (("--models", tmp_path), "--priors diffusers"), (("--device", "warp"), "--device cpu"),
    ):
        assert check(picture, tmp_path / "out", *more) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ") and said.count("\n") == 1 and text in said, said
        assert not (tmp_path / "out").exists()
    assert main(["prior-check", "--image", str(picture), "--prompt", "it sways"]) == 2
    assert "add --out FOLDER" in capsys.readouterr().err
