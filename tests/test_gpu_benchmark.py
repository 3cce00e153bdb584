"""`make gpu` keeps what it measured whatever a row does, and fills only empty cells of the page."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import cells, plan, worker
from benchmarks.gpu.fill import EMPTY, FillError, fill
from benchmarks.gpu.program import run_program
from benchmarks.gpu.tasks import counted_checks, driver
from benchmarks.gpu.trained import PART, pack

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"


# Worker


@pytest.fixture
def process() -> Iterator[worker.Worker]:
    process = worker.Worker()
    yield process
    process.close()


def run(process: worker.Worker, task: str, seconds: float = 60.0, **row: Any) -> tuple[str, str, dict[str, Any]]:
    """How a row of gpu_rows.py ended, why, and what it measured."""
    results: dict[str, Any] = {}
    job = worker.Job(plan.Row(task, task, seconds, module="tests.gpu_rows", **row), "cpu", ROOT, seconds)
    return *process.run(job, results.__setitem__), results


@pytest.mark.parametrize(
    ("task", "state", "reason"),
    [
        ("hangs", worker.STOPPED, "it did not end"),
        ("crashes", worker.FAILED, "its process ended with code 7"),
        ("raises", worker.FAILED, "RuntimeError: an illegal memory access was encountered"),
    ],
)
def test_a_row_that_breaks_its_process_keeps_its_results_and_the_next_gets_another(
    task: str, state: str, reason: str, process: worker.Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(process, "answers")[2]["process"]
    assert run(process, "answers")[2]["process"] == first, "a process that works is kept: starting one takes seconds"
    monkeypatch.setattr(worker, "GRACE", 2.0)
    ended, why, results = run(process, task, seconds=0.5 if task == "hangs" else 60.0)
    assert (ended, results) == (state, {"begun": True}) and why.startswith(reason)
    assert run(process, "answers")[0] == worker.DONE
    assert run(process, "answers")[2]["process"] != first


def test_a_row_that_cannot_go_on_says_why_and_its_process_stays(process: worker.Worker) -> None:
    first = run(process, "answers")[2]["process"]
    assert run(process, "imports") == (worker.SKIPPED, "No module named 'a_package_that_nobody_has'", {})
    missing = run(process, "answers", packages=("json", "a_package_that_nobody_has"))
    assert missing == (worker.SKIPPED, "the Python package a_package_that_nobody_has is not installed", {})
    assert run(process, "runs_out") == (worker.STOPPED, "stopped after step 3 of 8", {"begun": True})
    assert run(process, "answers")[2]["process"] == first


def test_a_program_is_stopped_with_all_that_it_started() -> None:
    """The sleeper would hold the output open."""
    code = "import subprocess, sys; print('begun', flush=True); subprocess.run(['sleep', '1000'])"
    output, ended = run_program([sys.executable, "-c", code], {}, until=0.0)
    assert ended is None and output in ("", "begun\n")
    assert run_program([sys.executable, "-c", "print(3)"], {}, until=time.monotonic() + 600.0) == ("3\n", 0)


# Tasks


def test_checks_are_counted_with_workers_and_without() -> None:
    alone = "tests/a.py::test_b[1 2] PASSED   [ 50%]\ntests/a.py::test_c FAILED [100%]\nE  tests/x.py: PASSED\n"
    many = "[gw1] [ 50%] PASSED tests/a.py::test_b[1 2] \n[gw0] [ 99%] FAILED tests/a.py::test_c\n"
    wanted = {"passed": 1, "failed": 1, "error": 0, "skipped": 0, "failures": ["tests/a.py::test_c"]}
    assert counted_checks(alone) == counted_checks(many) == wanted


def test_a_trained_set_is_packed_in_parts(tmp_path: Path) -> None:
    folder, out = tmp_path / "set", tmp_path / "out"
    (folder / "image").mkdir(parents=True)
    assert pack(folder, out) == []
    (folder / "image" / "unet.bin").write_bytes(bytes(range(256)) * 100)
    assert pack(folder, out) == ["trained_set.tar.gz.0"] and (out / "trained_set.tar.gz.0").stat().st_size < PART


@pytest.mark.parametrize("tiny", [False, True])
def test_every_row_has_a_name_of_its_own_and_a_function(tiny: bool) -> None:
    from importlib import import_module

    rows = plan.rows(tiny)
    assert len({row.name for row in rows}) == len(rows)
    assert all(callable(getattr(import_module(row.module), row.task)) for row in rows)


# The page


def whole_record() -> dict[str, Any]:
    """What a run on a GPU measures, with made-up numbers."""
    names = ("static", "coarse", "fine")
    figures = {"figures": {"psnr_heldout": 33.21, "psnr_object": 27.04}}
    stage = {"seconds": 9.87, "peak_memory_mb": 512.0, **figures}
    peak = {"peak_reserved_mb": 2048.0, "seconds_a_step": 0.03, "stage_steps": 1000}
    parts = {part: 0.5 for part in cells.FIELD}
    results: dict[str, Any] = {
        "machine": {"chip": "A Card", "memory": 2**34, "driver": "1.2", "cuda": "13.0",
                    "packages": {"torch": "2.11", "triton": "3.6"}},
        "kernels": {"triton: mlp": {"agrees": True, "difference": 2e-7}, "used": "triton"},
        "checks": {"passed": 40, "failed": 1, "error": 0, "skipped": 3, "failures": ["a.py::test_mlp"], "exit code": 1},
        "demo": {**dict.fromkeys(names, stage), "everything": 61.0},
        "field": {"floor": 0.002, "seconds": {query: {"straight port": 0.05, "torch": 0.02, "triton": 0.004}
                                              for query in ("density and colour", "with normals")}},
        "scaling": {**{f"time grids {n}": {cells.ENCODING: 0.001 * n} for n in cells.GRIDS},
                    **{f"pixels {n}": {"seconds": 0.001 * n} for n in cells.PIXELS}},
    }
    for name in names:
        for memory in ("full", "low"):
            measured = {"steps": 20, "seconds": 4.0, "peak_memory_mb": 9216.0, "parts": parts}
            results[plan.full_size_name(name, memory)] = measured
    for preset in ("demo", "good", "draft", "released", "paper"):
        results[plan.memory_name(preset)] = {f"{m}, {name}": peak for m in plan.MEMORIES for name in names}
    rows = {name: {"state": "done", "results": found} for name, found in results.items()}
    return {"benchmark": "gpu", "device": "cuda", "tiny": False, "day": "2026-01-01", "rows": rows}


def written(path: Path, record: dict[str, Any]) -> Path:
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def emptied(text: str) -> str:
    """The page as it was before anything was filled: the last cells of every row that a record knows are empty."""
    lines, head = text.split("\n"), ""
    known = cells.all_cells(whole_record())
    for i, line in enumerate(lines):
        head = "" if not line.startswith("|") else head or line
        row = [cell.strip() for cell in line[1:-1].split("|")]
        for key, values in known.get(head, {}).items():
            if tuple(row[: len(key)]) == key:
                lines[i] = f"| {' | '.join([*row[: -len(values)], *[''] * len(values)])} |"
    return "\n".join(lines)


def test_every_table_of_the_page_is_filled_once(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    before = emptied(PAGE.read_text(encoding="utf-8"))
    page.write_text(before, encoding="utf-8")
    record = written(tmp_path / "gpu.json", whole_record())
    every = (row for rows in cells.all_cells(whole_record()).values() for row in rows.values())
    wanted = sum(bool(cell) for row in every for cell in row)
    assert fill(record, page) == wanted, "each cell that is known has its place on the page"
    after = page.read_text(encoding="utf-8")
    for text in ("| measured with | A Card, 16.0 GB | 1.2 | 13.0 | 2.11 | 3.6 | 2026-01-01 |",
                 "40 passed, 1 failed (test_mlp), 3 skipped; self-test: 1 of 1 agree, largest relative "
                 "difference 2e-07; a run gets triton |",
                 "| seconds | 9.9 s | 9.9 s | 9.9 s | 61 s |", "| peak reserved memory | 512 MB | 512 MB | 512 MB |  |",
                 "| density and colour | 50.0 ms (25x of the floor) | 20.0 ms, **2.5x faster** (10x) | "
                 "4.0 ms, **12.5x faster** (2x) | 2.0 ms |",
                 "| 1.00x (1.0 ms) | 4.00x (4.0 ms) |", "| steps a second | 5 | 5 | 5 | 5 | 5 | 5 |",
                 "| field and renderer, share | 25 % |", "| 2.0 GB / 2.0 GB / 2.0 GB | 2 min |"):
        assert text in after, text
    assert emptied(after) == before
    assert fill(record, page) == 0 and page.read_text(encoding="utf-8") == after


def test_what_was_not_measured_stays_empty_and_what_stands_there_stays(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    table = f"{cells.DEMO}\n|---|---|---|---|---|\n| seconds | 5 s | | | |\n|other|1|2|3| |\n"
    page.write_text(f"text | here\n\n{table}", "utf-8")
    record = whole_record()
    del record["rows"]["demo"]["results"]["fine"]
    assert fill(written(tmp_path / "gpu.json", record), page) == 2
    assert page.read_text("utf-8").endswith("| seconds | 5 s | 9.9 s |  | 61 s |\n|other|1|2|3| |\n")
    record["rows"] = {"machine": {"state": "failed", "results": {}}}
    assert fill(written(tmp_path / "gpu.json", record), page) == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tiny": True}, "is of small problems"),
        ({"device": "cpu"}, "is of a cpu"),
        ({"benchmark": "field"}, "is no record of make gpu"),
        ({"rows": []}, "is no record of make gpu"),
    ],
)
def test_other_records_are_refused(change: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(FillError, match=sentence):
        fill(written(tmp_path / "gpu.json", whole_record() | change), page)
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_the_mark_of_a_row_that_never_ran_is_the_pages() -> None:
    """Where this fails because the row is filled, delete the mark with this test."""
    assert EMPTY[1] in PAGE.read_text(encoding="utf-8") or "self-test: " in PAGE.read_text(encoding="utf-8")


# All of it


@pytest.mark.slow
def test_a_tiny_run_on_a_cpu_measures_every_row(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--tiny", "--minutes", "120"]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    record = json.loads((tmp_path / "out" / "gpu.json").read_text(encoding="utf-8"))
    rows = record["rows"]
    assert list(rows) == ["machine", *(row.name for row in plan.rows(tiny=True))]
    skipped = {name: row["reason"] for name, row in rows.items() if row["state"] != worker.DONE}
    assert all(row["results"] for name, row in rows.items() if name not in skipped)
    assert not {"demo", "field", "scaling", "memory, demo"} & {*skipped}, skipped
    assert all(rows[name]["state"] == worker.SKIPPED and reason for name, reason in skipped.items()), skipped
    assert rows["demo"]["results"]["fine"]["steps"] <= 3
    assert (tmp_path / "out" / "contact.png").is_file()
    again = subprocess.run([*command[:3], "--fill", str(tmp_path / "out" / "gpu.json")], cwd=ROOT, capture_output=True)
    assert again.returncode == 2 and b"is of small problems" in again.stderr
    assert len(list((tmp_path / "out").iterdir())) <= 8


def test_a_machine_without_the_device_is_refused_in_a_sentence(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    command = [sys.executable, "-m", "benchmarks.gpu", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "finds no CUDA device" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a program is a shell script here")
def test_the_driver_of_several_cards_is_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 580.1\necho 580.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert driver() == "580.1"
