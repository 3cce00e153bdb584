"""The archive that the registry installs: its icon and entries, and nothing in it that the registry bans."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from tools import registry

ROOT = Path(__file__).resolve().parents[2]


def test_only_the_address_is_left_to_write() -> None:
    assert [fault for fault in registry.faults() if "placeholder" not in fault] == []


def test_what_runs_travels_and_what_only_developers_use_does_not() -> None:
    names = {file.relative_to(ROOT).as_posix() for file in registry.archive_files()}
    assert {"__init__.py", "nodes/__init__.py", "requirements.txt", "web/icon.png", "LICENSE"} <= names
    assert any(name.startswith("subgraphs/") for name in names)
    folders = {name.split("/")[0] for name in names}
    assert not folders & {"tests", "tools", "benchmarks", ".ci", "Makefile"}


def test_the_icon_is_square_and_small() -> None:
    with Image.open(ROOT / registry.ICON) as icon:
        assert icon.size[0] == icon.size[1] <= registry.MAX_ICON
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f"/raw/HEAD/{registry.ICON}" in project


@pytest.mark.parametrize(
    ("code", "what"),
    [("eval('1')", "eval()"), ("def f():\n    exec('')", "exec()"), ("import subprocess", "subprocess"),
     ("from subprocess import run", "subprocess"), ("__import__('os')", "__import__()")],
)
def test_a_banned_call_is_seen(code: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    (tmp_path / "bad.py").write_text(code)
    (entry,) = registry.violations(tmp_path / "bad.py")
    assert entry.startswith("bad.py:") and entry.endswith(what)


def test_the_address_is_written_in_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    for address in ("https://github.com/somebody/animate124", "https://github.com/other/a124.fork"):
        registry.write_repository(address)
        written = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
        assert written.count(address) == 2 and "PUBLISHER" not in written and "arxiv.org" in written
    with pytest.raises(ValueError, match="no address of a repository"):
        registry.write_repository("http://example.org")
