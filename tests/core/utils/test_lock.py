"""Only one process at a time uses a folder; a killed one keeps nobody out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pytest

from a124core.utils import lock
from a124core.utils.lock import InUseError, locked
from a124core.utils.processes import this_process

REFUSAL = "in use by {}: wait.".format


def owned_by(path: Path, seconds_old: float = 0.0, **changes: object) -> None:
    """Write the lock file of another process."""
    path.write_text(json.dumps(asdict(this_process()) | {"token": "other"} | changes), encoding="utf-8")
    os.utime(path, (time.time() - seconds_old,) * 2)


def is_locked(path: Path) -> bool:
    return path.is_file() and lock._is_alive(path, lock._read(path))


def acquired(path: Path) -> list[str]:
    said: list[str] = []
    with locked(path, REFUSAL, said.append):
        assert is_locked(path)
    assert not path.exists() and not list(path.parent.iterdir())
    return said


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_one_holds_it_and_the_next_gets_it_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with locked(path, REFUSAL, print):
        with pytest.raises(InUseError, match=f"^in use by process {os.getpid()} on [^/]+: wait.$"):
            with locked(path, REFUSAL, print):
                raise AssertionError
        assert is_locked(path), "a refused one leaves it alone"
    assert acquired(path) == []


def test_a_process_that_lives_keeps_it_and_a_killed_one_does_not(tmp_path: Path) -> None:
    """A real process, which is killed and not yet waited for at first: a zombie does not run any more."""
    path, other = tmp_path / "lock", subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    from a124core.utils.processes import start_time

    owned_by(path, pid=other.pid, started=start_time(other.pid), seconds_old=9999.0)
    with pytest.raises(InUseError), locked(path, REFUSAL, print):
        raise AssertionError
    other.kill()
    time.sleep(0.2)
    (said,) = acquired(path)
    other.wait()
    assert f"process {other.pid} on" in said and said.endswith("does not run any more: the lock was taken over.")


def test_a_number_that_a_later_process_has_is_not_its_own(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    owned_by(path, started=this_process().started - 100.0)
    assert len(acquired(path)) == 1


@pytest.mark.parametrize(("age", "alive"), [(10.0, True), (lock.STALE + 10.0, False)])
def test_of_another_computer_the_age_counts(tmp_path: Path, age: float, alive: bool) -> None:
    path = tmp_path / "lock"
    owned_by(path, age, host="elsewhere/1", pid=dead_pid())
    assert is_locked(path) == alive
    if alive:
        with pytest.raises(InUseError, match="on elsewhere: wait"), locked(path, REFUSAL, print):
            raise AssertionError
    else:
        assert "on elsewhere, which" in acquired(path)[0]


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"host": 3}', b"\xff\xfe", b'{"host": "a", "pid": 1e999}'])
def test_a_lock_that_was_cut_counts_for_seconds_only(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lock"
    path.write_bytes(content)
    assert is_locked(path)
    os.utime(path, (time.time() - lock.UNREADABLE - 5.0,) * 2)
    assert len(acquired(path)) == 1


def test_of_many_that_take_over_a_stale_one_one_wins(tmp_path: Path) -> None:
    path, pid = tmp_path / "lock", dead_pid()
    for _ in range(3):
        owned_by(path, pid=pid)
        winners, refused, together = [], [], threading.Barrier(6)

        def take(winners: list = winners, refused: list = refused, together: threading.Barrier = together) -> None:
            together.wait()
            try:
                with locked(path, REFUSAL, lambda line: None):
                    winners.append(1)
                    time.sleep(1.0)
            except InUseError:
                refused.append(1)

        threads = [threading.Thread(target=take) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(winners), len(refused)) == (1, 5)


def test_a_slow_disk_lets_no_second_one_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first to take over writes for so long that the second, too, has seen the stale lock and goes on."""
    path, write, slow, said = tmp_path / "lock", lock.write_json, threading.Event(), []
    owned_by(path, pid=dead_pid())

    def slowly(path: Path, values: dict) -> None:
        if not slow.is_set():
            slow.set()
            time.sleep(0.7)
        write(path, values)

    def take() -> None:
        with suppress(InUseError), locked(path, REFUSAL, said.append):
            time.sleep(1.5)

    monkeypatch.setattr(lock, "write_json", slowly)
    first = threading.Thread(target=take)
    first.start()
    slow.wait()
    take()
    first.join()
    assert len(said) == 1 and not list(tmp_path.iterdir())


def test_a_lock_that_a_scanner_has_open_goes_a_moment_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a file cannot be deleted meanwhile; the lock of a process that lives would keep its next run out."""
    unlink, refused = Path.unlink, []

    def busy(path: Path, missing_ok: bool = False) -> None:
        if path.name == "lock" and len(refused) < 2:
            refused.append(path)
            raise PermissionError(13, "in use by another process")
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", busy)
    assert acquired(tmp_path / "lock") == [] and len(refused) == 2


def test_a_killed_take_over_keeps_nobody_out(tmp_path: Path) -> None:
    path, pid = tmp_path / "lock", dead_pid()
    owned_by(path, pid=pid)
    with pytest.raises(SystemExit), pytest.MonkeyPatch.context() as patch:
        patch.setattr(lock, "write_json", lambda *_: sys.exit())
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with locked(path, REFUSAL, print):
            raise AssertionError
    (marker,) = (left for left in tmp_path.iterdir() if left != path)
    with pytest.raises(InUseError), locked(path, REFUSAL, print):
        raise AssertionError
    os.utime(marker, (time.time() - lock.UNREADABLE - 5.0,) * 2)
    assert len(acquired(path)) == 1


def test_a_clock_that_was_set_frees_no_lock_of_a_process_that_lives(tmp_path: Path) -> None:
    """On Linux its start time moves with the clock; signs of life go on."""
    path, other = tmp_path / "lock", subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owned_by(path, pid=other.pid, started=time.time() - 3600.0)
    with pytest.raises(InUseError), locked(path, REFUSAL, print):
        raise AssertionError
    os.utime(path, (time.time() - lock.STALE - 5.0,) * 2)
    assert len(acquired(path)) == 1, "without any, the number is of a later process"
    other.kill()
    other.wait()


def test_a_sign_of_life_is_given_and_a_removed_file_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", 0.02)
    path = tmp_path / "lock"
    with locked(path, REFUSAL, print):
        os.utime(path, (1, 1))
        _until(lambda: path.stat().st_mtime > 1)
        path.unlink()
        _until(path.exists)
    assert not path.exists()


def _until(true: object) -> None:
    end = time.monotonic() + 10.0
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
