"""What killed processes leave is deleted, and nothing of anybody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from a124core.utils import files, processes, temporary
from a124core.utils.files import atomic_folder, atomic_write, write_json
from a124core.utils.processes import host_code
from a124core.utils.temporary import NEW, OLD, sweep

KILLED_WRITE = """
import os, signal, sys
from a124core.utils.files import atomic_folder, atomic_write
what = atomic_write(sys.argv[1]) if sys.argv[1].endswith(".json") else atomic_folder(sys.argv[1], ("a",))
with what as new:
    file = new / "a" if new.is_dir() else new
    file.write_text("half")
    file.with_name(".tmpabc123").write_text("what safetensors writes before it moves it to the name that it was given")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
@pytest.mark.parametrize("name", ["x.json", "folder"])
def test_a_killed_write_leaves_the_earlier_one_and_the_next_sweeps(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    killed = subprocess.run([sys.executable, "-c", KILLED_WRITE, str(target)])
    assert killed.returncode == -9
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(NEW)
    files._sweep_once.cache_clear()
    if name == "folder":
        with atomic_folder(target, ("a",)) as new:
            (new / "a").write_text("whole")
    else:
        write_json(target, {})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_only_what_nobody_writes_any_more_goes(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "mine.json") as mine:
        mine.write_text("being written")
        dead = tmp_path / f"{NEW}{host_code()}-{dead_pid()}-1f-abc.png"
        foreign = tmp_path / f"{NEW}00000000-1-1f-abc.png"
        reused = tmp_path / f"{NEW}{host_code()}-{os.getpid()}-1f-abc.png"
        stranger = tmp_path / ".new-year.txt"
        for path in (dead, foreign, reused, stranger):
            path.write_text("x")
        os.utime(mine.parent, (1, 1))  # as if the clock had been set forward since
        sweep(tmp_path)
        assert {p.name for p in tmp_path.iterdir()} == {mine.parent.name, foreign.name, stranger.name}
        os.utime(foreign, (time.time() - temporary.FOREIGN_SECONDS - 5.0,) * 2)
        sweep(tmp_path)
        assert not foreign.exists() and mine.exists()
    sweep(tmp_path, only_ours=True)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.json"]


def test_an_earlier_folder_that_was_moved_away_comes_back(tmp_path: Path) -> None:
    """Killed between the two moves of a replacement; after both, it goes."""
    backup = tmp_path / f"{OLD}{host_code()}-{dead_pid()}-1f-abc" / "frames"
    backup.mkdir(parents=True)
    (backup / "a").write_text("earlier")
    sweep(tmp_path)
    assert (tmp_path / "frames" / "a").read_text() == "earlier" and len(list(tmp_path.iterdir())) == 1
    backup.mkdir(parents=True)
    sweep(tmp_path)
    assert (tmp_path / "frames" / "a").read_text() == "earlier" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_take_its_place_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, replace = tmp_path / "frames", os.replace
    with atomic_folder(target, ("a",)) as new:
        (new / "a").write_text("earlier")

    def refused(source: Path, to: Path) -> None:
        if Path(source).name.startswith(NEW):
            raise OSError("busy")
        replace(source, to)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="busy"), atomic_folder(target, ("a",)) as new:
        (new / "a").write_text("new")
    assert (target / "a").read_text() == "earlier" and [p.name for p in tmp_path.iterdir()] == ["frames"]


def test_a_process_has_one_start_whatever_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = processes.start_code(os.getpid())
    assert processes.start_code(dead_pid()) is None
    if sys.platform == "linux":
        moved = processes.start_time(os.getpid()) + 3600.0
        monkeypatch.setattr(processes, "start_time", lambda pid: moved)
    assert processes.start_code(os.getpid()) == before
