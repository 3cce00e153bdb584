"""Everything a hand can get wrong ends with exit code 2 and one sentence, before any work is done."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from PIL import Image

from a124core.cli import folder as folders
from a124core.cli import run as pipeline
from a124core.cli.main import main
from a124core.utils.validate import checked_prompt


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    made = Image.new("RGB", (64, 64), "white")
    made.paste("red", (20, 20, 44, 44))
    made.save(tmp_path / "red.png")
    return tmp_path / "red.png"


def refusal(capsys: pytest.CaptureFixture, *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    return said


def test_pictures_and_prompts(picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "out"
    (tmp_path / "text.png").write_text("no picture")
    Image.effect_noise((64, 64), 90).save(tmp_path / "noise.png")
    Image.new("L", (64, 64), 0).save(tmp_path / "black.png")
    Image.linear_gradient("L").resize((64, 20)).save(tmp_path / "wide.png")
    Image.new("RGB", (1, 1), "red").save(tmp_path / "dot.png")
    for changed, words in (
        ({"--image": tmp_path / "none.png"}, "not found"),
        ({"--image": tmp_path / "text.png"}, "not an image"),
        ({"--image": tmp_path / "noise.png"}, "--mask"),
        ({"--image": tmp_path / "dot.png"}, "1x1"),
        ({"--mask": tmp_path / "black.png"}, "empty"),
        ({"--mask": tmp_path / "wide.png"}, "another shape"),
        ({"--depth": tmp_path / "wide.png"}, "depth map"),
        ({"--prompt": "  "}, "empty"),
        ({"--prompt": "dance " * 2000}, "characters"),
        ({"--steps-scale": 0}, "above 0"),
        ({"--radius": -1}, "radius"),
        ({"--radius": 0.1}, "0.3 or more"),
        ({"--device": "warp"}, "--device cpu"),
    ):
        options = {"--image": picture, "--prompt": "it jumps", "--out": out, **changed}
        assert words in refusal(capsys, "animate", *(a for pair in options.items() for a in pair))
    assert "no prompt came: say what moves" in refusal(capsys, "animate", "--image", picture, "--out", out)
    assert not out.exists()


def test_a_run_that_is_refused_leaves_nothing_it_made(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is found out late: models, room on the disk, a first step that fails; and what was there before stays."""
    there = tmp_path / "there"
    there.mkdir()
    for out in (tmp_path / "new" / "deep", there):
        animate = ("animate", "--image", picture, "--prompt", "it jumps", "--out", out)
        assert main([str(a) for a in (*animate, "--priors", "diffusers", "--models", tmp_path / "none")]) == 2
        capsys.readouterr()
        assert "SUBJECT:MOTION" in refusal(capsys, "ablate", "--scenes", "cow:fly", "--out", out)
        with monkeypatch.context() as late:
            late.setattr(pipeline, "eval_set_of", _out_of_memory)
            assert main(["demo", "--subject", "duck", "--motion", "jump", "--out", str(out)]) == 1
    assert sorted(tmp_path.iterdir()) == [picture, there] and not any(there.iterdir())
    (there / "unfinished").mkdir()
    (there / "unfinished" / "run.json").write_text("an earlier run")
    monkeypatch.setattr(pipeline, "eval_set_of", _out_of_memory)
    assert main(["demo", "--subject", "duck", "--motion", "jump", "--out", str(there)]) == 1
    assert [p.name for p in there.iterdir()] == ["unfinished"]
    assert (there / "unfinished" / "run.json").read_text() == "an earlier run"


def _out_of_memory(scene: object) -> None:
    raise RuntimeError("no memory left")


def test_an_output_folder_that_cannot_be_used(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("animate", "--image", picture, "--prompt", "it jumps", "--out")
    for out in (picture, picture / "inside" / "it"):
        assert f"{picture} is a file, and a folder is needed" in refusal(capsys, *options, out)
    result = tmp_path / "contact.png"
    shutil.copy(picture, result)
    assert "onto the file that is read" in refusal(capsys, *options[:2], result, *options[3:], tmp_path)
    deep = refusal(capsys, *options, Path(tmp_path, *"a" * 1900))
    assert "cannot be made a folder" in deep and not (tmp_path / "a").exists()
    endless = refusal(capsys, *options, tmp_path / ("x" * 5000))
    assert "cannot be made a folder" in endless and "choose another place with --out" in endless and len(endless) < 620
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if os.access(locked, os.W_OK):  # the superuser may write anywhere
        monkeypatch.setattr(folders.tempfile, "NamedTemporaryFile", _denied)
    assert "nothing can be written" in refusal(capsys, *options, locked)
    monkeypatch.undo()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 2**20))
    assert "1 MB free" in refusal(capsys, *options, tmp_path / "out")
    assert not (tmp_path / "out").exists() and locked.is_dir()


def _denied(**options: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_files_that_are_no_fields(tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture) -> None:
    for command in (["info"], ["render", "--out", tmp_path / "a.mp4"]):
        assert "not found" in refusal(capsys, *command, tmp_path / "none.safetensors")
        assert "not a safetensors" in refusal(capsys, *command, picture)


@pytest.mark.parametrize("arguments, answer", [
    ([], "command"),
    (["fly"], "invalid choice"),
    (["demo", "--subject", "unicorn"], "robot"),
    (["animate", "--prompt", "a"], "--image"),
    (["demo", "--steps", "10"], "did you mean --steps-scale"),  # never taken for it
    (["demo", "--seed", "9" * 5000], "--seed"),
])
def test_wrong_arguments_are_one_short_sentence(
    arguments: list[str], answer: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    shown = capsys.readouterr().err
    assert stopped.value.code == 2 and answer in shown and "--help" in shown
    assert shown.count("\n") == 1 and len(shown) < 600


def test_prompts() -> None:
    assert checked_prompt("  a cat\n dances ") == "a cat dances"
    with pytest.raises(ValueError, match="empty"):
        checked_prompt("\t")
    with pytest.raises(ValueError, match="10000 characters"):
        checked_prompt("x" * 10_000)
