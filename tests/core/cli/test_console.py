"""What a terminal shows in any encoding, and numbers and texts that nobody can mean."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from a124core.cli.console import LastingStream, was_printed
from a124core.cli.main import main
from a124core.export.checkpoint import save_field
from a124core.field.config import FieldConfig
from a124core.field.field4d import new_field

ROOT = Path(__file__).resolve().parents[3]
NAME = "猫 é \u202e🐼"


@pytest.mark.parametrize("encoding", ["cp1252", "gbk", "ascii:strict"])
def test_any_path_is_printed_on_any_console(encoding: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "a124core", "info", str(tmp_path / f"{NAME}.safetensors")]
    done = subprocess.run(command, capture_output=True, env=environment, cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == b""
    assert done.stderr.startswith(b"error: ") and done.stderr.count(b"\n") == 1 and b"\\u" in done.stderr.lower()
    assert b"charmap" not in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--seed", "9" * 400], "--seed has 400 digits"), (["demo", "--seed", f"-{'9' * 30}"], "30 digits"),
        (["demo", "--steps-scale", "nan"], "--steps-scale is nan"), (["demo", "--steps-scale", "1e308"], "309 digits"),
        (["ablate", "--jobs", "-5"], "--jobs is -5: choose 0"), (["ablate", "--jobs", "9" * 12], "12 digits"),
        (["ablate", "--seeds", "1", "9" * 90], "--seeds has 90 digits"),
        (["render", "a", "--out", "b.mp4", "--frames", "9" * 40], "40 digits"),
        (["render", "a", "--out", "b.mp4", "--size", "9" * 40], "40 digits"),
        (["render", "a", "--out", "b.mp4", "--elevation", "inf"], "--elevation is inf"),
        (["render", "a", "--out", "b.mp4", "--eyes", "nan"], "--eyes is nan"),
        (["render", "a", "--out", "b.mp4", "--plays", "5000"], "at most 1000"),
        (["export", "a", "--out", "b.glb", "--faces", "-" + "1" * 50], "50 digits"),
        (["animate", "--image", "a", "--out", "b", "--prompt", "a cat \ud83d"], "U\\+D83D"),
        (["animate", "--image", "a", "--out", "b", "--prompt", "a", "--negative-prompt", "\x00"], "U\\+0000"),
        (["invert", "--image", "a", "--image-model", "b", "--word", "a\udcff", "--out", "c.safetensors"], "U\\+DCFF"),
    ],
)
def test_what_nobody_can_mean_is_refused_in_one_sentence(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert printed.startswith("error: ") and printed.count("\n") == 1 and len(printed) < 200
    assert re.search(words, printed)
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="needs closed descriptors")
def test_without_terminal_streams_no_file_takes_their_numbers(tmp_path: Path) -> None:
    """As `>&-` starts a program; the next file that is opened would be the one that libraries print to."""
    code = (
        "import os, sys; [os.close(k) for k in range(3)]; sys.stdin = sys.stdout = sys.stderr = None\n"
        "from a124core.cli.main import main\n"
        "code = main(['info', 'none.safetensors'])\n"
        f"file = open({str(tmp_path / 'file')!r}, 'w')\n"
        "file.write(f'{code} {file.fileno() > 2} {sys.stdin.isatty()} {sys.stderr.isatty()}')"
    )
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path)
    assert done.returncode == 0 and (tmp_path / "file").read_text() == "2 True False False"


def test_notes_of_a_foreign_file_give_a_terminal_no_orders(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    config = FieldConfig(time_grids=1, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=6)
    field = new_field(config, torch.Generator().manual_seed(0))
    save_field(tmp_path / "a.safetensors", field, {"prompt": "a panda\x1b]52;c;eA==\x07", "\x1b[2J": "\u202e"})
    assert main(["info", str(tmp_path / "a.safetensors")]) == 0
    printed = capsys.readouterr().out
    assert all(line.isprintable() for line in printed.splitlines()) and "prompt: a panda\\x1b]52;c" in printed


def test_a_stream_that_breaks_costs_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe whose reader has gone is not told; a full disk is, once."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    for number, words in ((errno.EPIPE, ""), (errno.ENOSPC, "What is printed cannot be written any more (full).\n")):
        broken = io.StringIO()
        monkeypatch.setattr(broken, "flush", lambda number=number: (_ for _ in ()).throw(OSError(number, "full")))
        monkeypatch.setattr(sys, "stdout", LastingStream(broken))
        sys.stdout.write("a line")
        sys.stdout.flush()
        assert said.getvalue() == words and was_printed() == (number == errno.EPIPE)
        said.truncate(0)
        said.seek(0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_what_only_prints_fails_where_nothing_can_be_printed(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    config = FieldConfig(time_grids=1, levels=2, base_resolution=4, max_resolution=8, log2_hashmap_size=6)
    save_field(tmp_path / "a.safetensors", new_field(config, torch.Generator().manual_seed(0)))
    with open("/dev/full", "w", encoding="utf-8") as full, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        assert main(["info", str(tmp_path / "a.safetensors")]) == 2
    assert capfd.readouterr().err == "What is printed cannot be written any more (No space left on device).\n"
