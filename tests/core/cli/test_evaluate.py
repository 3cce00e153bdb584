"""`evaluate` on saved fields: what it writes, and what it refuses in one sentence."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from a124core.cli.main import main
from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field

SMALL = ("--views", "2", "--times", "3", "--size", "16", "--samples", "16")


@pytest.fixture(scope="module")
def field() -> Field4D:
    config = FieldConfig(time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8)
    made = new_field(config, torch.Generator().manual_seed(0))
    return replace(made, occupancy=None) if made.occupancy is not None else made


@pytest.fixture
def scenes(field: Field4D, tmp_path: Path) -> list[Path]:
    """A run's folder and a file."""
    (tmp_path / "fox").mkdir()
    save_field(tmp_path / "fox" / "field.safetensors", field, {"prompt": "a fox jumps", "motion": "by models"})
    save_field(tmp_path / "cat.safetensors", field, {"prompt": "a cat sleeps", "motion": "by models"})
    return [tmp_path / "fox", tmp_path / "cat.safetensors"]


def refusal(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main(["evaluate", *(str(a) for a in arguments)]) == 2
    message = capsys.readouterr().err.splitlines()
    assert message[-1].startswith("error: ") and message[-1].endswith(".")
    return message[-1]


def test_a_table_rows_everything_and_a_plot_are_written(
    scenes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "out"
    assert main(["evaluate", *map(str, scenes), "--out", str(out), *SMALL]) == 0
    printed = capsys.readouterr().out
    assert (out / "evaluation.md").read_text(encoding="utf-8") in printed
    rows = list(csv.DictReader((out / "evaluation.csv").open(encoding="utf-8")))
    assert [(row["scene"], row["caption"]) for row in rows] == [("fox", "a fox jumps"), ("cat", "a cat sleeps")]
    assert rows[0]["motion"] == rows[1]["motion"] != ""  # the same field twice
    everything = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert len(everything["scenes"][0]["curves"]["motion"]) == 3 and everything["mean"]["flicker"] >= 0
    assert Image.open(out / "curves.png").width > 300


def test_clip_scores_of_a_folder(scenes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    pytest.importorskip("transformers")
    from tests import tiny_clip

    clip = tiny_clip.clip(tmp_path / "clip")
    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps({"fox": "a fox jumps", "cat": "a cat", "dog": "a dog"}), encoding="utf-8")
    options = ("--out", str(tmp_path / "out"), "--clip", str(clip), "--captions", str(captions))
    assert main(["evaluate", *map(str, scenes), *options, *SMALL]) == 0
    printed = capsys.readouterr().out
    assert "CLIP: ViT of width 32/14 (clip). The paper has OpenAI's ViT-B/32." in printed
    assert "still among the candidates: dog." in printed and "3 captions (those of captions.json)" in printed
    rows = list(csv.DictReader((tmp_path / "out" / "evaluation.csv").open(encoding="utf-8")))
    assert rows[1]["caption"] == "a cat" and -1 <= float(rows[0]["clip_t"]) <= 1 and rows[0]["clip_r"] != ""
    assert "clip_i" not in rows[0]


def test_bad_input_is_one_sentence(scenes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    fox, cat = scenes
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.safetensors").write_text("no field")
    captions = tmp_path / "captions.json"
    captions.write_text('{"fox": "a fox"}', encoding="utf-8")
    assert "no scenes came: name saved fields" in refusal(capsys)
    assert "holds no field.safetensors, nor do its folders" in refusal(capsys, tmp_path / "empty")
    assert "no.safetensors" in refusal(capsys, tmp_path / "no.safetensors")
    assert "not found" in refusal(capsys, tmp_path / "none.safetensors")
    shutil.copytree(fox, tmp_path / "more" / "fox")
    assert "two scenes are called fox" in refusal(capsys, fox, tmp_path / "more" / "fox")
    assert "no caption for cat among fox" in refusal(capsys, fox, cat, "--captions", captions)
    assert "needs --clip FOLDER" in refusal(capsys, fox, "--candidates", "paper")
    assert "is no folder: give a whole folder of CLIP" in refusal(capsys, fox, "--clip", tmp_path / "none")
    assert "--image is for one scene, 2 came" in refusal(capsys, fox, cat, "--image", tmp_path / "a.png")
    assert "--mask came without --image" in refusal(capsys, fox, "--mask", tmp_path / "a.png")
    assert "times is 1" in refusal(capsys, fox, "--times", 1)
    assert "--samples is 0: choose 1 to 4096." in refusal(capsys, fox, "--samples", 0)
    assert "--frames is 0: choose 1 to 1024." in refusal(capsys, fox, "--geometry", "--frames", 0)
    assert "holds no meshes" in refusal(capsys, fox, "--meshes", tmp_path / "empty", *SMALL)


def test_a_scene_that_fails_does_not_stop_the_others(
    scenes: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, pictures = tmp_path / "out", tmp_path / "pictures"
    (pictures / "cat").mkdir(parents=True)
    drawn = Image.new("RGB", (64, 64), "white")
    drawn.paste("red", (20, 20, 44, 44))
    drawn.save(pictures / "cat" / "image.png")
    assert main(["evaluate", *map(str, scenes), "--out", str(out), "--images", str(pictures), *SMALL]) == 2
    printed = capsys.readouterr()
    assert "fox was left out" in printed.err and "not evaluated, for the reasons above: fox" in printed.err
    rows = list(csv.DictReader((out / "evaluation.csv").open(encoding="utf-8")))
    assert [row["scene"] for row in rows] == ["cat"]
