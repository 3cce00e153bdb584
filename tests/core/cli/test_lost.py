"""Work that a folder, a disk, a second run or a kill could cost, and does not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from a124core.cli import keep, progress, run_options
from a124core.cli import main as commands
from a124core.cli import run as pipeline
from a124core.cli.folder import LOCK, SPARE, RunFolder
from a124core.cli.main import main
from a124core.cli.prepare import pixel_digest
from a124core.export.checkpoint import load_field
from a124core.runs.monitor import Intervals
from a124core.runs.store import RunStore
from a124core.utils.temporary import NEW

STATIC = ("--skip", "coarse", "--skip", "fine")
ALWAYS = Intervals(0.0, 0.0, 1.0, 1e18, preview=0.0)


def animate(picture: Path, out: Path, *more: object) -> int:
    words = ("animate", "--image", picture, "--prompt", "a snowman bounces", "--out", out, "--quiet", *more)
    return main([str(word) for word in words])


def at_step(monkeypatch: pytest.MonkeyPatch, stage: str, number: int | None, action: Callable[[], None]) -> None:
    """Do something after a step of a run; None: after each."""
    follow = progress.TerminalProgress.on_step

    def on_step(self: progress.TerminalProgress, step: object) -> None:
        if step.stage == stage and number in (None, step.step):
            action()
        follow(self, step)

    monkeypatch.setattr(progress.TerminalProgress, "on_step", on_step)


def same_field(a: Path, b: Path) -> bool:
    fields = [load_field(folder / "field.safetensors") for folder in (a, b)]
    return torch.equal(fields[0].table, fields[1].table)


@pytest.fixture
def undisturbed(picture: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A static run, made for the first test that asks."""
    out = tmp_path_factory.getbasetemp() / "undisturbed"
    if not out.exists():
        assert animate(picture, out, *STATIC) == 0
    return out


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 100 MB, for this test alone."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100m", "tmpfs", str(place)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path) -> None:
    with open(disk / "filler", "wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 2**16):
                pass
        except OSError:
            return


def test_a_removed_folder_is_made_anew_with_all_that_was_finished(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    at_step(monkeypatch, "coarse", 2, lambda: shutil.rmtree(out))
    at_step(monkeypatch, "coarse", 3, lambda: os.kill(os.getpid(), signal.SIGTERM))  # which is answered like Ctrl-C
    assert animate(picture, out, "--skip", "fine") == 130
    names = {path.name for path in (out / "unfinished").iterdir()}
    assert names >= {"run.json", "progress.json", "static.safetensors", "snapshot-a.safetensors"}
    monkeypatch.undo()
    assert RunFolder(out).store.newest().step == 3


def test_a_full_disk_at_the_end_of_a_stage_keeps_the_field_elsewhere(
    picture: Path,
    undisturbed: Path,
    small_disk: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    at_step(monkeypatch, "static", 8, lambda: fill(small_disk))
    monkeypatch.setattr(keep.tempfile, "tempdir", str(tmp_path))
    assert animate(picture, small_disk / "out", *STATIC) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "the disk is full" in said and "what is finished (static) was saved in" in said
    place = Path(re.search(r"--out (\S+) --resume", said)[1])
    assert animate(picture, place, *STATIC, "--resume") == 0
    assert same_field(undisturbed, place)
    assert (place / "losses.json").read_bytes() == (undisturbed / "losses.json").read_bytes()


def test_where_nothing_can_be_written_the_field_waits_in_memory(
    picture: Path,
    undisturbed: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    waits = []

    def frees_some_space(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            (small_disk / "filler").unlink()

    at_step(monkeypatch, "static", 8, lambda: fill(small_disk))
    monkeypatch.setattr(keep.tempfile, "tempdir", str(small_disk))
    monkeypatch.setattr(keep.time, "sleep", frees_some_space)
    assert animate(picture, small_disk / "out", *STATIC) == 0
    assert waits == [keep.RETRY_SECONDS] * 2 and same_field(undisturbed, small_disk / "out")
    assert capsys.readouterr().err.count("What is finished (static) is tried again: neither") == 2
    assert {path.name for path in small_disk.iterdir()} == {"out"}


def test_a_resume_needs_the_disk_for_what_is_not_there_yet(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """All stages are done and the results could not be written."""
    monkeypatch.setattr(pipeline, "write_results", lambda *_: (_ for _ in ()).throw(OSError("the disk is full.")))
    assert animate(picture, tmp_path, *STATIC) == 2
    assert capsys.readouterr().err == "error: the disk is full.\n"
    usage = namedtuple("usage", "total used free")
    field = (tmp_path / "unfinished" / "static.safetensors").stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, SPARE + 4 * field))
    assert animate(picture, tmp_path, *STATIC) == 2 and "MB free, this run needs" in capsys.readouterr().err
    assert animate(picture, tmp_path, *STATIC, "--resume") == 2
    assert capsys.readouterr().err == "error: the disk is full.\n", "it was let through"


HOLDER = """
import sys
from pathlib import Path
from a124core.utils.lock import locked
with locked(Path(sys.argv[1]), "{}", print):
    print("held", flush=True)
    input()
"""


def test_a_second_run_is_refused_at_once_and_a_killed_one_is_not_in_the_way(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / LOCK)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    for more in ((), ("--resume",)):
        began = time.process_time()
        assert animate(picture, tmp_path, *STATIC, *more) == 2
        assert time.process_time() - began < 1.0, "before anything is computed"
        said = capsys.readouterr()
        assert re.fullmatch(
            rf"error: {tmp_path} is in use by process {other.pid} on \S+: wait until that run ends, or choose another "
            r"place with --out.\n", said.err
        ) and not said.out
    assert [path.name for path in tmp_path.iterdir()] == [LOCK]
    other.kill()
    other.wait()
    assert animate(picture, tmp_path, *STATIC) == 0
    assert f"was locked by process {other.pid}" in capsys.readouterr().out and not (tmp_path / LOCK).exists()


def test_killed_while_publishing_the_rest_is_published_by_a_resume(
    picture: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What killed writers left is never published."""
    move, moved = os.replace, []

    def killed(source: Path, to: Path) -> None:
        if Path(source).parent.name == "results" and Path(to).parent == tmp_path:
            moved.append(to)
            if len(moved) == 3:
                raise SystemExit("killed")
        move(source, to)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(SystemExit):
        animate(picture, tmp_path, *STATIC)
    monkeypatch.setattr(os, "replace", move)
    assert not (tmp_path / "report.json").exists() and (tmp_path / "unfinished" / "static.safetensors").is_file()
    for folder in (tmp_path / "unfinished", tmp_path / "unfinished" / "results"):
        (folder / f"{NEW}abcd1234.png").write_bytes(b"half")
    assert animate(picture, tmp_path, *STATIC, "--resume") == 0
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in undisturbed.iterdir()}


def test_another_backends_last_bits_are_the_same_run_and_so_are_runs_of_earlier_versions(
    picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    words = ["demo", "--subject", "duck", "--motion", "jump", "--out", str(tmp_path), "--quiet"]
    at_step(monkeypatch, "static", None, lambda: signal.raise_signal(signal.SIGINT))
    assert main(words) == 130
    draw = run_options.example_image

    def by_another_backend(*given: object) -> tuple[torch.Tensor, torch.Tensor]:
        image, mask = draw(*given)
        return image * (1.0 - 1e-6), mask

    monkeypatch.setattr(run_options, "example_image", by_another_backend)
    assert main([*words, "--resume"]) == 130
    head = tmp_path / "unfinished" / "run.json"
    values = json.loads(head.read_text())
    assert values["picture"] == "example duck, 512 pixels"
    described = commands.demo_run(commands.parser().parse_args(words))
    for written, code in ((pixel_digest(described.reference), 130), ("0" * 64, 2)):
        head.write_text(json.dumps(values | {"picture": written}))
        assert main([*words, "--resume"]) == code
    assert "was started with other options (picture)" in capsys.readouterr().err and head.is_file()


def test_killed_between_the_notes_and_the_snapshot_the_losses_are_those_of_an_undisturbed_run(
    picture: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "INTERVALS", ALWAYS)
    save = RunStore.save

    def killed(self: RunStore, snapshot: object) -> int:
        if snapshot.step == 5:
            raise SystemExit("killed")  # no clean-up of the run answers it
        return save(self, snapshot)

    monkeypatch.setattr(RunStore, "save", killed)
    with pytest.raises(SystemExit):
        animate(picture, tmp_path, *STATIC)
    monkeypatch.setattr(RunStore, "save", save)
    assert RunFolder(tmp_path).store.newest().step == 4
    assert animate(picture, tmp_path, *STATIC, "--resume") == 0
    assert (tmp_path / "losses.json").read_bytes() == (undisturbed / "losses.json").read_bytes()


@pytest.mark.parametrize("content", ["[]", "{", '"text"', "[" * 100_000])
def test_a_damaged_head_is_refused_in_a_sentence_and_stays(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture, content: str
) -> None:
    head = tmp_path / "unfinished" / "run.json"
    head.parent.mkdir()
    head.write_text(content)
    assert animate(picture, tmp_path, *STATIC, "--resume") == 2
    assert "cannot be continued" in capsys.readouterr().err and head.read_text() == content
