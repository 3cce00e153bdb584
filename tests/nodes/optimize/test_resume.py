"""A run of a node: cancelled, broken off, found again on disk, refused while another process has it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from tests.nodes.optimize.runs import Cancelled, same

pytestmark = pytest.mark.usefixtures("tiny")


def test_a_cancelled_run_goes_on_to_the_same_result(static: Callable, cancel_after: Callable, workspace: Path) -> None:
    whole = static(unique_id=None, graph=None)
    cancel_after(2)
    with pytest.raises(Cancelled):
        static()
    assert len(list(workspace.glob("snapshots/static-*/[ab].safetensors"))) == 1
    seen = cancel_after(0)
    assert same(static(), whole)
    assert seen == [1], "only the third step was left to do"


def test_a_finished_result_is_found_again(static: Callable, cancel_after: Callable, workspace: Path) -> None:
    first = static()
    folder = next(workspace.glob("snapshots/static-*"))
    assert [f.name for f in folder.iterdir()] == ["field.safetensors"], "no optimiser state stays behind"
    seen = cancel_after(0)
    assert same(static(), first) and seen == []
    static(resume="restart")
    assert seen == [1, 2, 3]


def test_memory_changes_the_way_not_the_result(
    static: Callable, cancel_after: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    presets = pack_module("a124core.stages.presets")
    monkeypatch.setitem(presets.MEMORY, "low", 100)  # rays: a picture of the test has 256
    whole = static(graph=None)
    cancel_after(1)
    with pytest.raises(Cancelled):
        static(memory="full")
    cancel_after(0)
    resumed = static(memory="low")
    assert torch.allclose(resumed.table, whole.table, atol=1e-5)
    assert not torch.equal(resumed.table, whole.table), "it was added up in pieces"


def test_a_damaged_snapshot_is_not_used(static: Callable, cancel_after: Callable, workspace: Path) -> None:
    cancel_after(2)
    with pytest.raises(Cancelled):
        static()
    slot = next(workspace.glob("snapshots/static-*/*.safetensors"))
    slot.write_bytes(slot.read_bytes()[:100])
    seen = cancel_after(0)
    static()
    assert seen == [1, 2, 3]


def test_a_full_disk_does_not_end_the_run(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    def full(*args: Any) -> None:
        raise OSError("the disk is full")

    for module in ("a124core.export.checkpoint", "a124core.stages.snapshot"):
        monkeypatch.setattr(pack_module(module), "write_tensors", full)
    assert static().table.isfinite().all()


def test_an_error_leaves_a_snapshot(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    ui, calls = pack_module("nodes.host.ui"), []

    def break_down() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    monkeypatch.setattr(ui, "stop_if_cancelled", break_down)
    with pytest.raises(torch.OutOfMemoryError, match="set 'memory' to balanced or low.*\nCUDA out of memory") as error:
        static()
    assert "'size'" not in str(error.value), "no guidance asks a model"
    assert len(list(workspace.glob("snapshots/static-*/*.safetensors"))) == 1


def test_the_oldest_runs_go_when_the_limit_is_reached(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    store = pack_module("nodes.optimize.store")
    static(seed=1, graph=None)
    old = next(workspace.glob("snapshots/*"))
    os.utime(old, (1, 1))
    monkeypatch.setattr(store, "LIMIT_GB", 1e-9)
    static(seed=2, graph=None)
    left = list(workspace.glob("snapshots/*"))
    assert old not in left and len(left) == 1


def lock_for_another(pack_module: Callable[[str], ModuleType], folder: Path) -> Path:
    """The lock of a run in another process, which is this one under another token."""
    owner = pack_module("a124core.utils.processes").this_process()
    path = folder.with_name(f"{folder.name}.lock")
    path.write_text(json.dumps({"host": owner.host, "pid": owner.pid, "started": owner.started, "token": "other"}))
    return path


def test_the_same_run_in_another_process_is_refused_and_never_trimmed(
    static: Callable, pack_module: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    first = static(seed=1, graph=None)
    folder = next(workspace.glob("snapshots/static-*"))
    path = lock_for_another(pack_module, folder)
    with pytest.raises(ValueError, match="the same run is in progress in process .*: wait until it ends"):
        static(seed=1, graph=None, resume="restart")
    assert [f.name for f in folder.iterdir()] == ["field.safetensors"] and path.is_file()
    monkeypatch.setattr(pack_module("nodes.optimize.store"), "LIMIT_GB", 1e-9)
    static(seed=2, graph=None)
    assert folder.is_dir()
    owner = json.loads(path.read_text())
    path.write_text(json.dumps(owner | {"started": owner["started"] - 99.0}))  # a killed one
    (folder / ".new-abcd1234.safetensors").write_bytes(b"half")
    assert same(static(seed=1, graph=None), first)
    assert [f.name for f in folder.iterdir()] == ["field.safetensors"] and not path.exists()


def test_a_finished_field_is_returned_where_nothing_can_be_written(
    nodes: dict[str, type], reference: Any, workspace: Path
) -> None:
    (workspace / "snapshots").parent.mkdir(parents=True, exist_ok=True)
    (workspace / "snapshots").write_text("no folder")
    output = nodes["A124StaticOptimizer"]().optimise("auto", "auto", 0, 0, "auto", reference=reference)
    assert output["result"][0].table.isfinite().all()
    assert "result not kept on disk" in output["ui"]["text"][0]
