"""The ablation runs what differs, shares what does not, and tabulates means."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a124core.cli import ablate
from a124core.cli.ablate import ROWS, markdown, parse_scene
from a124core.cli.main import main


def test_every_row_once_and_shared_stages_only_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run, ran = ablate.run_stage, []

    def counted(prepared: object, stage: str, field: object) -> object:
        sampling = prepared.settings.coarse.time.sampling
        ran.append((stage, prepared.options.with_view, sampling))
        return run(prepared, stage, field)

    monkeypatch.setattr(ablate, "run_stage", counted)
    options = ["--scenes", "duck:spin", "--seeds", "3", "--steps-scale", "0.5", "--out", str(tmp_path)]
    assert main(["ablate", *options]) == 0
    assert len(ran) == len(set(ran)) == 2 + 4 + 4  # two static fields; four rows move; the last one stops there
    values = json.loads((tmp_path / "ablation.json").read_text())
    assert [r["row"] for r in values["rows"]] == [row.title for row in ROWS]
    static = [r.get("psnr_static") for r in values["rows"]]
    assert static[0] != static[1] and static[2:] == [None] * 3
    table = (tmp_path / "ablation.md").read_text()
    assert all(f"| {row.title} |" in table for row in ROWS) and "| row | PSNR |" in table


def test_the_table_shows_means_and_differences() -> None:
    rows = [{"row": row.title, "scene": "a b", "seed": s, "psnr_heldout": 20.0 + s + k, "motion_corr": None}
            for k, row in enumerate(ROWS) for s in (0, 1)]
    lines = markdown(rows, 3.0).splitlines()
    first, second = (next(line for line in lines if line.startswith(f"| {name}")) for name in ("full", "no view"))
    assert first.startswith("| full | 20.5 ± 6.4 |")  # Student's t of one degree, 12.706, times 0.7071 / sqrt(2)
    assert second.startswith("| no view prior | 21.5 ± 6.4 (+1.0) |")
    assert lines[4].count("|") == len(ablate.FIGURES) + 2


def test_scenes_are_checked() -> None:
    assert parse_scene("duck:spin") == ("duck", "spin")
    for wrong in ("duck", "duck:fall", "unicorn:spin"):
        with pytest.raises(ValueError, match="SUBJECT:MOTION"):
            parse_scene(wrong)
