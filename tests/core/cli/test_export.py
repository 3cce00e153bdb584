"""export: every format from a saved field, and what a hand can get wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from a124core.cli.export import add_export_args, check_options
from a124core.cli.export_formats import FORMATS
from a124core.cli.main import main
from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field
from a124core.field.occupancy import empty_occupancy, update_occupancy

FILM = ("--size", "24", "--frames", "2")
CAPTURE = (*FILM, "--views", "2")
SMALL = (*CAPTURE, "--resolution", "16", "--faces", "200", "--gaussians", "1000")


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A blob with patterns that nothing was trained into."""
    rng = torch.Generator().manual_seed(0)
    config = FieldConfig(time_grids=2, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8)
    made = new_field(config, rng)
    made = replace(made, table=made.table * (3.0 / made.table.abs().max()))
    path = tmp_path_factory.mktemp("field") / "field.safetensors"
    save_field(path, replace(made, occupancy=update_occupancy(empty_occupancy(16, 1, 1.0), made, 1.0, rng)))
    return path


def run(*arguments: object) -> int:
    return main(["export", *(str(a) for a in arguments)])


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "a.webp"])
def test_the_ending_chooses_the_film(field: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "new" / name
    assert run(field, "--out", out, *FILM) == 0 and out.stat().st_size > 0
    assert [p.name for p in out.parent.iterdir()] == [name]


def test_folders_are_named_by_their_format(field: Path, tmp_path: Path) -> None:
    assert run(field, "--format", "frames", "--out", tmp_path / "f", *FILM, "--size", "32x24") == 0
    with Image.open(tmp_path / "f" / "images" / "0001.png") as picture:
        assert picture.size == (32, 24) and picture.mode == "RGBA"
    assert run(field, "--format", "capture", "--out", tmp_path / "c", *CAPTURE) == 0
    assert len(list((tmp_path / "c" / "images").iterdir())) == 4
    assert run(field, "--format", "frames", "--out", tmp_path / "f", "--cameras", tmp_path / "c" / "transforms.json",
               "--size", 24) == 0
    assert len(list((tmp_path / "f" / "depth").iterdir())) == 4, "as many as the file has"


def test_gaussians_of_one_moment(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(field, "--out", tmp_path / "a.splat", "--time", 0.5, "--gaussians", 1000) == 0
    said = capsys.readouterr().out
    count = (tmp_path / "a.splat").stat().st_size / 32
    assert f"{count:.0f} Gaussians at time 0.5, y down" in said and 0 < count <= 1000
    assert run(field, "--format", "splat-ply", "--out", tmp_path / "a.ply", "--gaussians", 1000) == 0
    assert b"property float f_dc_0" in (tmp_path / "a.ply").read_bytes()[:600]
    assert run(field, "--out", tmp_path / "b.splat", "--gaussians", 5) == 2
    assert "gaussians is 5: it must be at least 1000" in capsys.readouterr().err
    assert run(field, "--format", "splat-ply", "--out", tmp_path / "b.glb") == 2, "the ending is another format's"


def test_all_writes_one_of_each_that_can_be(
    field: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pxr", None)  # as where usd-core, an extra, is not installed
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(field, "--format", "all", "--out", "../all", *SMALL) == 0, "here a folder above is no bad name"
    assert len(list((tmp_path / "all").iterdir())) == len(FORMATS) - 1
    assert "pip install usd-core" in capsys.readouterr().err


def test_all_goes_on_after_one_that_fails_and_says_so_at_the_end(
    field: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("a124core.cli.export.FORMATS", {k: FORMATS[k] for k in ("frames", "gif", "webp")})
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "notes.txt").write_text("mine")
    assert run(field, "--format", "all", "--out", tmp_path, *FILM) == 2
    said = capsys.readouterr().err
    assert "notes.txt" in said and "error: not written, for the reasons above: frames." in said
    assert (tmp_path / "scene.gif").is_file() and (tmp_path / "scene.webp").is_file()


def test_a_format_is_not_held_to_the_limits_of_another() -> None:
    words = argparse.ArgumentParser()
    add_export_args(words)

    def checked(form: str, *said: str) -> dict[str, Any]:
        return check_options(words.parse_args(["field", "--out", "x", *said]), form)

    assert checked("mp4", "--frames", "300")["mp4"][1].frames == 300
    assert checked("glb", "--resolution", "320")["glb"].resolution == 320
    assert checked("html", "--resolution", "8")["html"].resolution == 8
    assert checked("html", "--fps", "16")["html"].seconds == 2.0, "32 frames, where nobody says how many"
    with pytest.raises(ValueError, match="^html: frames is 300"):
        checked("all", "--frames", "300")


def test_eyes_pace_and_still_cameras(field: Path, tmp_path: Path) -> None:
    words = ("--cameras", "still", "--eyes", 0.1, "--ping-pong", "--plays", 2, "--background", "green")
    assert run(field, "--out", tmp_path / "a.webp", *FILM, *words) == 0
    with Image.open(tmp_path / "a.webp") as film:
        assert film.size == (48, 24)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--out", "a.avi"], "--format"),
        (["--out", "a"], "--format"),
        (["--out", "a.mp4", "--format", "gif"], "does not end in .gif"),
        (["--out", "a.mp4", "--format", "flipbook"], "does not end in .glb"),
        (["--out", "a.glb", "--faces", "3"], "faces"),
        (["--out", "a.html", "--resolution", "2"], "resolution"),
        (["--out", "con.mp4"], "Windows"),
        (["--out", "a?.mp4"], "character"),
        (["--out", "a.mp4", "--time", "1.5"], "0 to 1"),
        (["--out", "a.mp4", "--frames", "0"], "frames"),
        (["--out", "a.mp4", "--fps", "0"], "fps"),
        (["--out", "a.mp4", "--size", "4"], "size"),
        (["--out", "a.mp4", "--plays", "0"], "at least once"),
        (["--out", "a.mp4", "--eyes", "9"], "eyes"),
        (["--out", "a.mp4", "--cameras", "none.json"], "not found"),
        (["--out", "a.mp4", "--radius", "-1"], "radius"),
        (["--out", "a.mp4", "--device", "warp"], "--device cpu"),
        (["--out", "c", "--format", "capture", "--views", "1"], "views"),
        (["--out", "a.html", "--fps", "0"], "fps"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    field: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch,
    wrong: list[str], words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(field, *wrong) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("asked", "words"), [
    (["--out", "a.html", "--resolution", "16", "--time", "0.5", "--cameras", "still"], "html: --cameras, --time."),
    (["--out", "a.gif", *FILM, "--faces", "300"], "gif: --faces."),
    (["--out", "a.glb", "--resolution", "16", "--frames", "1", "--ping-pong"], "glb: --ping-pong."),
])
def test_what_a_format_has_no_use_for_is_named_as_a_node_names_it(
    field: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch,
    asked: list[str], words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(field, *asked) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Without effect for {words}\n") and f"Written: {asked[1]}" in said
    assert (tmp_path / asked[1]).is_file()


def test_no_field_and_an_empty_one(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(tmp_path / "none.safetensors", "--out", tmp_path / "a.mp4") == 2
    assert "not found" in capsys.readouterr().err
    config = FieldConfig(time_grids=2, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=10, hidden=8)
    empty = new_field(config, torch.Generator().manual_seed(0))
    save_field(tmp_path / "empty.safetensors", replace(empty, occupancy=empty_occupancy(8, 1, 1.0)))
    (tmp_path / "a.mp4").write_bytes(b"earlier")
    assert run(tmp_path / "empty.safetensors", "--out", tmp_path / "a.mp4", *FILM) == 2
    assert "every image is empty" in capsys.readouterr().err and (tmp_path / "a.mp4").read_bytes() == b"earlier"
    assert run(tmp_path / "empty.safetensors", "--out", tmp_path / "new" / "a.mp4", *FILM) == 2
    assert not (tmp_path / "new").exists()


def test_ctrl_c_leaves_nothing_half_written(
    field: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: object) -> Callable:
        raise KeyboardInterrupt

    monkeypatch.setattr("a124core.export.images.film.unpremultiply", pressed)
    monkeypatch.setattr("a124core.export.images.frames.unpremultiply", pressed)
    for out in (["--out", tmp_path / "a.webm"], ["--format", "frames", "--out", tmp_path / "f"]):
        assert run(field, *out, *FILM) == 130
        assert "nothing was written" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert run(field, "--out", tmp_path / "file" / "a.mp4", *FILM) == 2
    said = capsys.readouterr().err
    assert "is a file, and a folder is needed" in said and said.count("\n") == 1


@pytest.mark.parametrize("ending", ["ply", "obj"])
def test_one_moment_is_one_file_and_all_of_them_a_folder(
    field: Path, tmp_path: Path, capsys: pytest.CaptureFixture, ending: str
) -> None:
    small = ("--resolution", 16, "--faces", 200)
    out = tmp_path / "new" / f"cat.{ending}"
    assert run(field, "--out", out, *small) == 2
    said = capsys.readouterr().err
    assert f"a {ending.upper()} export is a folder" in said and f"--format {ending}" in said and said.count("\n") == 1
    assert not out.parent.exists()
    for moment in (("--time", 0.5), ("--frames", 1)):
        assert run(field, "--out", out, *small, *moment) == 0
        assert [path.name for path in out.parent.iterdir()] == [out.name] and out.is_file()
    assert run(field, "--out", tmp_path / "all", "--format", ending, "--frames", 2, *small) == 0
    assert (tmp_path / "all" / f"frame_0001.{ending}").is_file()


def test_a_name_that_says_no_format_gets_a_short_list(field: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(field, "--out", "cat.avi") == 2
    said = capsys.readouterr().err
    assert all(ending in said for ending in (".mp4", ".glb", ".html", "--format")) and len(said) < 220


def test_nothing_is_written_onto_the_field_itself(field: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    content = field.read_bytes()
    for name in ("scene.glb", "film.mp4"):
        (tmp_path / name).write_bytes(content)
    os.link(tmp_path / "film.mp4", tmp_path / "other.gif")
    for words in (("scene.glb", "scene.glb"), ("film.mp4", "other.gif"), ("scene.glb", ".", "--format", "all")):
        source, out, *more = words
        assert run(tmp_path / source, "--out", tmp_path / out, *more) == 2
        assert "onto the file that is read" in capsys.readouterr().err
    assert main(["render", str(tmp_path / "film.mp4"), "--out", str(tmp_path / "other.gif")]) == 2
    assert "onto the file that is read" in capsys.readouterr().err
    assert all(path.read_bytes() == content for path in tmp_path.iterdir())
