"""Some damaged files for every reader, and the driver itself: what it must count as a failure."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from a124core.utils.json_files import read_json
from tests.fuzz import driver
from tests.fuzz.driver import Parser

CASES = 200  # of each parser; `make fuzz` tries thousands
SEED = 13


@pytest.mark.parametrize("name", driver.load_parsers())
def test_damaged_files_are_read_or_refused_in_one_sentence(name: str) -> None:
    parser = driver.load_parsers()[name]
    counts, failures = driver.run_parser(parser, CASES, SEED)
    assert not failures, f"seed {SEED}: " + "\n".join(failures)
    assert counts["refused"] > CASES // 20, f"{name}: hardly any file is damaged, {counts}"


def test_a_case_is_the_same_file_every_time() -> None:
    for parser in driver.load_parsers().values():
        assert driver.case(parser, 5, 3) == driver.case(parser, 5, 3)
        assert driver.case(parser, 5, 3) != driver.case(parser, 6, 3)


def broken(path: Path) -> Any:
    return json.loads(path.read_text())["key"]


def foreign(path: Path) -> Any:
    return float(path.read_text())


def slow(path: Path) -> None:
    while True:
        pass


def greedy(path: Path) -> None:
    torch.ones(driver.BYTES // 2).sum()


def not_finite(path: Path) -> Any:
    return {"depth": [torch.tensor([0.0, float("nan")])]}


@pytest.mark.parametrize(
    ("read", "reason"),
    [
        (broken, "JSONDecodeError"), (foreign, "no sentence of ours: ValueError"), (slow, "still running"),
        (greedy, "GB"), (not_finite, "accepted with a tensor that is not finite"),
    ],
)
def test_failures_are_found_and_their_files_are_kept(
    read: Any, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SECONDS", 0.3)
    if read is greedy:
        if not driver.measures_memory():
            pytest.skip("this system tells no peak of memory that begins anew")
        monkeypatch.setattr(driver, "SECONDS", 30.0)
    parser = Parser("a parser", lambda rng: (".txt", rng.randbytes(3).hex().encode() + b"x"), read)
    counts, failures = driver.run_parser(parser, 1, 0, tmp_path)
    assert counts == {"failed": 1} and reason in failures[0]
    assert [path.name for path in tmp_path.iterdir()] == ["a_parser.0.0.txt"]


def test_refusals_of_ours_are_none(tmp_path: Path) -> None:
    parser = Parser("refusing", lambda rng: (".json", b"[" + rng.randbytes(4)), lambda path: read_json(path, "do this"))
    counts, failures = driver.run_parser(parser, 3, random.randrange(100), tmp_path)
    assert counts == {"refused": 3} and not failures and not any(tmp_path.iterdir())


def test_the_command_counts_and_exits(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = Parser("bad", lambda rng: ("", b""), broken)
    monkeypatch.setattr(driver, "load_parsers", lambda: {"bad": bad})
    assert driver.main(["-n", "2", "--seed", "4", "--keep", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "seed 4, 2 files of each parser" in printed and "2 failures of 2 files" in printed
