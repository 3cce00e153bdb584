"""Which of two snapshots is the newest, whatever the clock says."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import torch

from a124core.inversion.learn import TokenSnapshot
from a124core.runs.store import TOKEN_FORMAT, RunStore
from a124core.utils import files
from a124core.utils.saved_tensors import NewerFileError


def snapshot(step: int) -> TokenSnapshot:
    tensors = {name: torch.ones(1, 2) for name in ("token", "mean", "square")}
    tensors["random"] = torch.Generator().get_state()
    return TokenSnapshot(tensors, {"shape": [1, 2], "step": step})


def steps_kept(folder: Path) -> set[int]:
    return {TOKEN_FORMAT.read_snapshot(path).meta["step"] for path in folder.iterdir()}


def test_a_clock_that_was_set_back_hides_no_snapshot(tmp_path: Path) -> None:
    store = RunStore(tmp_path, format=TOKEN_FORMAT)
    for step in range(1, 6):
        store.save(snapshot(step))
        assert store.newest().meta["step"] == step
        if step == 2:
            for path in tmp_path.iterdir():
                os.utime(path, ns=(path.stat().st_mtime_ns + 3600 * 10**9,) * 2)
    assert steps_kept(tmp_path) == {4, 5}


def test_the_older_of_two_of_one_time_is_replaced(tmp_path: Path) -> None:
    """On a file system whose times are coarse, or after a copy that kept no times."""
    store = RunStore(tmp_path, format=TOKEN_FORMAT)
    for step in (1, 2, 3):
        store.save(snapshot(step))
    now = time.time_ns()
    for path in tmp_path.iterdir():
        os.utime(path, ns=(now, now))
    for step in (4, 5):
        store.save(snapshot(step))
        assert store.newest().meta["step"] == step
    assert steps_kept(tmp_path) == {4, 5}


def test_a_file_of_a_later_release_is_neither_damaged_nor_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RunStore(tmp_path, ("a.progress",), TOKEN_FORMAT)
    monkeypatch.setitem(files.VERSIONS, "token", 9)
    store.save(snapshot(3))
    monkeypatch.undo()
    with pytest.raises(NewerFileError, match="file version 9, this program reads token files up to version 1: open it"):
        store.newest()
    (tmp_path / "a.progress").write_bytes(b"cut")
    assert store.newest() is None
