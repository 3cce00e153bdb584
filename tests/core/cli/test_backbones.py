"""--backbone from the picture to the exports: the field, where its reference camera stands, and what is said."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import pytest

from a124core.cli.folder import _differences
from a124core.cli.main import main
from a124core.cli.prepare import RunOptions, prepare
from a124core.export.checkpoint import load_field
from a124core.field.config import BACKBONES
from a124core.field.layout import parameter_shapes


def run(*arguments: object) -> int:
    return main([str(a) for a in arguments])


@pytest.mark.parametrize("backbone", BACKBONES[1:])
def test_a_scene_of_another_backbone_from_start_to_export(
    backbone: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out, front = tmp_path / "out", 45.0 if backbone == "HexPlane" else 0.0
    assert run("demo", "--subject", "duck", "--motion", "jump", "--backbone", backbone, "--out", out, "--quiet") == 0
    field = load_field(out / "field.safetensors")
    assert field.config.backbone == backbone and field.front == front and field.table.shape[0] == 3
    assert {name: tuple(value.shape) for name, value in field.parameters.items()} == parameter_shapes(field.config)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["config"]["field"]["backbone"] == backbone and len(report["stages"]) == 3
    assert "a plane faces it" not in capsys.readouterr().out
    assert run("info", out) == 0 and f"backbone {backbone}" in capsys.readouterr().out
    page, frames = tmp_path / "scene.html", tmp_path / "frames"
    assert run("export", out / "field.safetensors", "--out", page, "--frames", 2, "--resolution", 8) == 0
    assert run("render", out / "field.safetensors", "--out", frames, "--frames", 2, "--size", 16, "--cameras", "still",
               "--azimuth", 10) == 0
    first = json.loads((frames / "transforms.json").read_text())["frames"][0]["transform_matrix"]
    x, _, z = (row[3] for row in first[:3])
    assert math.degrees(math.atan2(x, z)) == pytest.approx(front + 10.0, abs=1e-3)
    capsys.readouterr()


def test_the_picture_says_where_hexplane_stands(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    words = ["--image", picture, "--prompt", "a snowman bounces", "--skip", "coarse", "--skip", "fine", "--quiet"]
    assert run("animate", *words, "--backbone", "HexPlane", "--azimuth", 5, "--out", tmp_path / "a") == 0
    assert "azimuth 5: a plane faces it" in capsys.readouterr().out
    assert load_field(tmp_path / "a" / "field.safetensors").front == 5.0
    assert run("animate", *words, "--azimuth", 5, "--out", tmp_path / "b") == 0
    assert "a plane faces it" not in capsys.readouterr().out


def test_unknown_backbones_are_refused_with_the_choices(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stopped:
        run("demo", "--backbone", "K-Planes")
    assert stopped.value.code == 2 and "tiny-cuda-nn" in capsys.readouterr().err


def test_presets_with_another_index_take_every_backbone() -> None:
    for backbone in BACKBONES:
        field = prepare(RunOptions(None, "a robot is swaying", preset="paper", backbone=backbone)).settings.field
        assert field.backbone == backbone and (field.index_mode == "hash" or backbone == BACKBONES[0])


def test_runs_that_were_interrupted_before_there_were_backbones_go_on() -> None:
    settings = asdict(prepare(RunOptions(None, "a robot is swaying")).settings)
    earlier = {**settings, "field": {k: v for k, v in settings["field"].items() if k != "backbone"}}
    assert not list(_differences("settings", json.dumps(earlier), json.dumps(settings)))
    other = asdict(prepare(RunOptions(None, "a robot is swaying", backbone="HexPlane")).settings)
    assert any("backbone" in text for text in _differences("settings", json.dumps(earlier), json.dumps(other)))
