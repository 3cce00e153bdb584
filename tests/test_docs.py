"""The docs name no file, folder or module that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
         *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "web" / "docs").glob("*.md"))]
FOLDERS = ("a124core", "nodes", "tests", "tools", "web", "docs", "benchmarks", "workflows", "locales")

LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
PATH = re.compile(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*\w")  # from the root, wherever it stands
MODULE = re.compile(rf"-m ((?:{'|'.join(FOLDERS)})[\w.]*\w)")
NAME = re.compile(r"`([\w./-]+\.(?:py|md|mjs|js|toml))`")  # of a file, its folder left out


def gone(page: Path, files: set[str]) -> list[str]:
    """What the page names and the tree does not have."""
    text = page.read_text(encoding="utf-8")
    links = [link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:")]
    paths = [path.strip("/") for path in PATH.findall(text)]
    modules = [module.replace(".", "/") for module in MODULE.findall(text)]
    names = [name for name in NAME.findall(text) if name not in paths]
    return [
        *(link for link in links if not (page.parent / link).exists()),
        *(path for path in paths if not (ROOT / path).exists()),
        *(module for module in modules if not ((ROOT / module).is_dir() or (ROOT / f"{module}.py").is_file())),
        *(name for name in names if not any(f"/{file}".endswith(f"/{name}") for file in files)),
    ]


@pytest.fixture(scope="module")
def files() -> set[str]:
    """Every file of the project, from its root."""
    inside = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    return {file.relative_to(ROOT).as_posix() for file in [*inside, *ROOT.glob("*.*")]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_docs_name_no_file_that_is_gone(page: Path, files: set[str]) -> None:
    assert not gone(page, files)


def test_the_test_finds_what_is_gone(tmp_path: Path, files: set[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("[a](no.md) `a124core/no.py` `losses.py` `no.mjs` `tests/web` python -m tools.no https://x/docs/no")
    assert gone(page, files) == ["no.md", "a124core/no.py", "tools/no", "no.mjs"]


def test_every_promise_of_the_same_result_names_what_it_hangs_on() -> None:
    """The same seed alone repeats nothing: threads and backend decide in which order sums are taken."""
    code = [path for folder in ("a124core", "nodes") for path in (ROOT / folder).rglob("*.py")]
    for path in [*PAGES, *code]:
        for promise in re.findall(r"same seed[^.:;]*", path.read_text(encoding="utf-8"), re.IGNORECASE):
            assert promise.lower().startswith("same seed, threads and backend"), f"{path}: {promise}"
