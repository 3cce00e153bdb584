"""The miniature's command on stamps, its verdicts on made-up tables, and what a second start does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from a124core.cli.benchmark import views
from a124core.cli.progress import Interrupted
from a124core.cli.table import Interval, RunFigures
from a124core.evaluation import evaluate
from a124core.evaluation.film import FilmGrid
from benchmarks.miniature import cells
from benchmarks.miniature.__main__ import main
from benchmarks.miniature.figures import SHEETS
from benchmarks.miniature.orderings import (
    FIGURES,
    REPRODUCES,
    REVERSED,
    TABLES,
    UNDECIDED,
    VARIANTS,
    orderings,
    verdict,
)
from benchmarks.miniature.page import BEGIN, END, fill, page
from benchmarks.miniature.subjects import CAPTIONS, write_subjects
from tests import tiny_clip
from tests.core.cli.small_benchmark import counted_stages
from tests.core.cli.stamps import apply_stamps


@pytest.mark.parametrize(
    ("mean", "half", "expected"),
    [(0.02, 0.01, REPRODUCES), (-0.02, 0.01, REVERSED), (0.02, 0.03, UNDECIDED), (-0.02, 0.02, UNDECIDED),
     (0.0, 0.0, UNDECIDED), (0.5, None, UNDECIDED)],
)
def test_an_interval_decides(mean: float, half: float | None, expected: str) -> None:
    assert verdict(Interval(mean, half, 6, 3)) == expected


def made_up(values: dict[str, float], noise: float = 0.001) -> list[RunFigures]:
    """Three subjects and two seeds of every variant; each figure is the value, and a little more or less."""
    return [
        RunFigures(variant, scene, seed, dict.fromkeys(FIGURES.values(), value + noise * ((3 * k + 5 * seed) % 4)))
        for variant, value in values.items()
        for k, scene in enumerate(("ann", "bob", "cat"))
        for seed in (0, 1)
    ]


def found(runs: list[RunFigures], table: str) -> dict[tuple[str, str, str], str]:
    return {(one.figure, one.higher, one.lower): one.verdict for one in orderings(runs) if one.table == table}


def test_every_pair_of_rows_is_judged_in_the_papers_order() -> None:
    runs = made_up({name: 0.5 for name in VARIANTS})
    assert len(found(runs, "1")) == 3 * 4 and len(found(runs, "2")) == 6 * 4
    assert ("CLIP-T", "random-sampling", "full") in found(runs, "2"), "text scores rise without balanced sampling"
    assert ("CLIP-I", "full", "random-sampling") in found(runs, "2")
    assert all(one.paper > 0 for one in orderings(runs))
    assert set(found(runs, "1").values()) == {UNDECIDED}, "equal rows decide nothing"


def test_the_papers_own_numbers_reproduce_and_the_contrary_is_reversed() -> None:
    text = {name: row["CLIP-R"] for rows in TABLES.values() for name, row in rows.items()}
    assert set(found(made_up(text), "1").values()) == {REPRODUCES}
    contrary = found(made_up({name: -value for name, value in text.items()}, noise=0.0), "1")
    assert set(contrary.values()) == {REVERSED}


def test_subjects_that_disagree_decide_nothing() -> None:
    runs = made_up({name: 0.5 for name in VARIANTS}, noise=0.0)
    runs = [run if run.variant != "full" else
            RunFigures("full", run.scene, run.seed, {"bank_i": {"ann": 0.9, "bob": 0.1, "cat": 0.6}[run.scene]})
            for run in runs]
    one = next(o for o in orderings(runs) if (o.figure, o.higher, o.lower) == ("CLIP-I", "full", "zero123-v"))
    assert (one.verdict, one.reason) == (UNDECIDED, "subjects disagree")
    assert one.agreeing == 2 and one.ours.scenes == 3
    full = next(o for o in orderings(made_up({name: 1.0 for name in VARIANTS}, noise=0.0)))
    assert (full.verdict, full.reason) == (UNDECIDED, "both rows are at the figure's upper end")
    assert next(o for o in orderings([])).reason == "runs are missing"


def test_missing_runs_decide_nothing_and_the_page_says_how_many_there_are() -> None:
    runs = made_up({"full": 0.5, "zero123-v": 0.4}, noise=0.0)
    text = page(runs, 36, [], ["ann, hexplane, seed 0: out of memory"])
    assert "12 of 36 runs: ann, bob, cat; seeds 0, 1." in text and "- ann, hexplane, seed 0: out of memory" in text
    assert found(runs, "1")["CLIP-R", "full", "realfusion-v"] == UNDECIDED
    assert "**4 reproduce**, **0 are reversed** and **32 are undecided**" in text
    assert "or, 32 times, there are not enough runs" in text
    assert "| full > zero123-v | CLIP-R | +0.0565 | +0.100 ± 0.000 | 3 of 3 | reproduces |  |" in text


def test_a_page_is_filled_between_its_marks_and_nowhere_else(tmp_path: Path) -> None:
    target = tmp_path / "page.md"
    target.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    fill(target, "new")
    assert target.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    target.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="has no lines"):
        fill(target, "new")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stamps, films of few frames; the stages that ran."""
    apply_stamps(monkeypatch)
    monkeypatch.setattr(evaluate, "SAMPLES", 8)
    monkeypatch.setattr(views, "SIZE", 8)
    for name in ("GRID", "CLIP_GRID"):
        monkeypatch.setattr(cells, name, FilmGrid(views=2, times=3, size=16))
    monkeypatch.setattr(cells, "SAMPLES", 8)
    return counted_stages(monkeypatch)


def command(out: Path, *more: object) -> int:
    return main([str(word) for word in ("--out", out, "--subjects", "goose", "--seeds", 0, "--jobs", 1, *more)])


@pytest.mark.slow
def test_one_command_makes_the_page_shares_stages_and_goes_on_after_a_stop(
    small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, run_task, calls = tmp_path / "out", cells.run_task, []

    def stopped(task: object, *more: object) -> object:
        if len(calls) == 2:
            raise Interrupted("in the middle")
        calls.append(task)
        return run_task(task, *more)

    monkeypatch.setattr(cells, "run_task", stopped)
    with pytest.raises(SystemExit):
        command(out)
    assert len(list(out.glob("runs/*/*/report.json"))) == len(list(out.glob("scores/*/*.json"))) == 2
    monkeypatch.setattr(cells, "run_task", run_task)
    assert command(out) == 0
    sheet = next(sheet for sheet in SHEETS if sheet.subject == "goose")
    runs = len(VARIANTS) + len(set(sheet.variants) - set(VARIANTS))
    assert len(list(out.glob("runs/goose/*/report.json"))) == runs
    assert len(list(out.glob("scores/goose/*.json"))) == len(VARIANTS)
    assert sorted(small) == sorted(
        ["static"] * 5  # full; no view prior and RealFusion; Zero-1-to-3; of the sheet the other condition; HexPlane
        + ["coarse"] * 6  # the same, and the other sampling
        + ["fine"] * 5  # full, no view prior, the other sampling, the other condition, HexPlane
    )
    text = (out / "miniature.md").read_text(encoding="utf-8")
    assert f"{len(VARIANTS)} of {len(VARIANTS)} runs: goose; seeds 0." in text
    assert "CLIP-F" in text and "Failed" not in text
    with Image.open(out / "images" / sheet.file) as image:
        assert image.format == "JPEG" and image.width > 6 * 8
    assert not (out / "stages" / "goose-0").exists() and (out / "benchmark.md").is_file()
    before = text, len(small)
    target = tmp_path / "docs" / "page.md"
    target.parent.mkdir()
    target.write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    assert command(out, "--page", target) == 0
    assert ((out / "miniature.md").read_text(encoding="utf-8"), len(small)) == before
    assert before[0] in target.read_text(encoding="utf-8")
    assert (target.parent / "images" / sheet.file).is_file()


@pytest.mark.slow
def test_a_clip_fills_its_rows_without_a_run(small: list[str], tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    out = tmp_path / "out"
    assert command(out) == 0
    assert "| ours by a CLIP |  |" in (out / "miniature.md").read_text(encoding="utf-8")
    ran = len(small)
    assert command(out, "--clip", tiny_clip.clip(tmp_path / "clip")) == 0
    text = (out / "miniature.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| full, ours by a CLIP |")]
    assert len(small) == ran and len(rows) == len(TABLES)
    assert all(0 <= float(row.split("|")[2]) <= 1 and -1 <= float(row.split("|")[4]) <= 1 for row in rows)


def test_pictures_are_written_with_their_captions(tmp_path: Path) -> None:
    write_subjects(tmp_path)
    assert json.loads((tmp_path / "captions.json").read_text(encoding="utf-8")) == CAPTIONS
    for name in CAPTIONS:
        with Image.open(tmp_path / name / "rgba.png") as image:
            covered = sum(image.getchannel("A").histogram()[128:]) / (image.width * image.height)
            assert image.mode == "RGBA" and 0.05 < covered < 0.8
