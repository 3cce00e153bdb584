"""What `evaluate` knows of a scene: its camera, its motion, and in a benchmark its picture and variant."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from a124core.cli import evaluate as verb
from a124core.cli.main import main
from a124core.cli.saved_scenes import find_scenes
from a124core.evaluation.scores import SceneScores, Task
from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D, new_field

SMALL = ("--views", "2", "--times", "3", "--size", "16", "--samples", "16")
JUMPS = {"prompt": "a robot is jumping", "motion": "jump", "subject": "robot"}


@pytest.fixture(scope="module")
def field() -> Field4D:
    config = FieldConfig(time_grids=3, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8)
    return new_field(config, torch.Generator().manual_seed(0))


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """What is measured."""
    measured: list[Task] = []

    def watched(result: Any, shape: Any, task: Task, report: Any) -> SceneScores:
        measured.append(task)
        return SceneScores(task.name, task.caption, {"motion": float(len(measured))})

    monkeypatch.setattr(verb, "score_scene", watched)
    return measured


def camera(task: Task) -> list[float]:
    return [round(float(value), 4) for value in vars(task.camera).values()]


def evaluated(tmp_path: Path, *paths: Path, more: tuple = ()) -> int:
    return main(["evaluate", *map(str, paths), "--out", str(tmp_path / "out"), *SMALL, *map(str, more)])


def test_a_scene_is_measured_from_where_its_picture_was_taken(
    field: Field4D, tasks: list[Task], tmp_path: Path
) -> None:
    """Saved with it by the command line; by a node, its azimuth alone (HexPlane stands at 45)."""
    save_field(tmp_path / "a.safetensors", field, {**JUMPS, "camera": [10.0, 30.0, 2.0, 35.0]})
    save_field(tmp_path / "b.safetensors", replace(field, front=45.0), {"prompt": "a cat"})
    save_field(tmp_path / "c.safetensors", field, JUMPS)
    assert evaluated(tmp_path, *(tmp_path / f"{name}.safetensors" for name in "abc")) == 0
    assert list(map(camera, tasks)) == [[10.0, 30.0, 2.0, 35.0], [0.0, 45.0, 1.8, 40.0], [0.0, 0.0, 1.8, 40.0]]
    first = tasks[0]
    assert first.reference.camera is first.camera
    assert float(first.bank.bank.reference.azimuth) == 30.0 and tasks[1].bank is None is tasks[1].reference


def test_the_truth_moves_as_the_scene_was_made(field: Field4D, tasks: list[Task], tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_field(file, field, {**JUMPS, "strength": 0.5, "speed": 2})
    assert evaluated(tmp_path, file) == evaluated(tmp_path, file, more=("--strength", 1.5)) == 0
    assert [(t.bank.own.manner.strength, t.bank.own.manner.speed) for t in tasks] == [(0.5, 2), (1.5, 2)]


def test_what_a_clip_drove_is_not_compared_with_the_built_in_motion(
    field: Field4D, tasks: list[Task], tmp_path: Path
) -> None:
    save_field(tmp_path / "a.safetensors", field, {**JUMPS, "answer_known": False})
    assert evaluated(tmp_path, tmp_path / "a.safetensors") == 0 and tasks[0].bank is None


@pytest.mark.parametrize("notes", [{"camera": "front"}, {"camera": [0, 0, -1, 40]}, {"speed": 99}, {"camera": [0] * 7}])
def test_notes_that_cannot_be_used_are_refused(
    field: Field4D, notes: dict, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    save_field(tmp_path / "a.safetensors", field, {**JUMPS, **notes})
    assert evaluated(tmp_path, tmp_path / "a.safetensors") == 2
    assert "a.safetensors has notes that cannot be used (" in capsys.readouterr().err


@pytest.fixture
def runs(field: Field4D, tmp_path: Path) -> Path:
    """The folder of a benchmark: two scenes, two variants, and one run with inputs of before."""
    out, listed = tmp_path / "benchmark", []
    for scene, caption in (("fox", "a fox jumps"), ("cat", "a cat jumps")):
        for variant in ("full", "image-to-4d"):
            folder = f"runs/{scene}/{variant}-seed-1-0123456789"
            (out / folder).mkdir(parents=True)
            save_field(out / folder / "field.safetensors", field, {"prompt": caption.rsplit(" ", 1)[0]})
            listed.append({"folder": folder, "scene": scene, "variant": variant, "seed": -1})
    (out / "runs/fox/full-seed-1-9876543210").mkdir()
    save_field(out / "runs/fox/full-seed-1-9876543210/field.safetensors", field)
    scenes = {"fox": "a fox jumps", "cat": "a cat jumps"}
    (out / "benchmark.json").write_text(json.dumps({"scenes": scenes, "runs": listed}), encoding="utf-8")
    return out


def test_the_runs_of_a_benchmark_have_its_captions_pictures_and_means(
    runs: Path, tasks: list[Task], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for name, colour in (("fox", "red"), ("cat", "blue")):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        drawn = Image.new("RGB", (64, 64), "white")
        drawn.paste(colour, (20, 20, 44, 44))
        drawn.save(tmp_path / "pictures" / name / "image.png")
    assert evaluated(tmp_path, runs, more=("--images", tmp_path / "pictures")) == 0
    assert [task.name for task in tasks] == [
        f"{scene} ({variant}, seed -1)" for scene in ("fox", "cat") for variant in ("full", "image-to-4d")
    ]
    assert [task.caption for task in tasks] == ["a fox jumps"] * 2 + ["a cat jumps"] * 2, "whole, not the saved prompt"
    middles = [task.reference.composite(8)[0, :, 4, 4].round().tolist() for task in tasks]
    assert middles == [[1.0, 0.0, 0.0]] * 2 + [[0.0, 0.0, 1.0]] * 2
    table = capsys.readouterr().out
    assert "| mean, full " in table and "| mean, image-to-4d " in table and "| mean  " not in table
    everything = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    assert everything["variants"] == {"full": {"motion": 2.0}, "image-to-4d": {"motion": 3.0}}
    rows = list(csv.DictReader((tmp_path / "out" / "evaluation.csv").open(encoding="utf-8")))
    assert [row["variant"] for row in rows] == ["full", "image-to-4d"] * 2


def test_captions_are_found_by_the_scene_of_a_run(runs: Path, tasks: list[Task], tmp_path: Path) -> None:
    captions = tmp_path / "captions.json"
    captions.write_text('{"fox": {"caption": "a red fox", "refine_prompt": "a <token>"}}', encoding="utf-8")
    folders = [runs / "runs" / "fox" / f"{variant}-seed-1-0123456789" for variant in ("full", "image-to-4d")]
    assert evaluated(tmp_path, *folders, more=("--captions", captions)) == 0
    assert [task.caption for task in tasks] == ["a red fox"] * 2


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"runs": [{"folder": "a"}], "scenes": {}}', '{"runs": 5}'])
def test_a_damaged_list_of_runs_is_one_sentence(runs: Path, text: str) -> None:
    (runs / "benchmark.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="benchmark.json .*give the folder of a benchmark, or folders of its runs.$"):
        find_scenes([runs])


def test_a_demo_saves_what_evaluate_needs(picture: Path, tmp_path: Path) -> None:
    words = ["animate", "--image", picture, "--prompt", "a snowman bounces", "--azimuth", 20, "--strength", 0.5]
    assert main([str(word) for word in (*words, "--quiet", "--out", tmp_path / "run")]) == 0
    (scene,) = find_scenes([tmp_path / "run"])
    assert float(scene.camera.azimuth) == 20.0 and scene.manner.strength == 0.5 and scene.answer_known
