"""The numbers of a tiny tree, counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.measure_code import markdown, measured, percentile

FILES = {
    "a124core/__init__.py": '"""Core."""\n',
    "a124core/__main__.py": "print(1)\n",
    "a124core/loose.py": '''
def outer(a: int, *more: int, b, **rest) -> int:
    """Said."""
    def inner():
        return a

    return inner()


class Thing:
    """Said."""

    @staticmethod
    def plain(a: int) -> int:
        return a

    def _hidden(self, a: int) -> None:
        pass


def many(a, b, c, d, e, f, g, h): ...
''',
    "a124core/kernels/triton_sums.py": "def kernel(a, b, c, d, e, f, g, h): ...\n",
    "a124core/kernels/numba/march.py": "def kernel(a, b, c, d, e, f, g, h): ...\n",
    "a124core/kernels/torch_ops.py": "def march(a, b, c, d, e, f, g, h): ...\n",
    "a124core/cli/long.py": "x = 1\n" * 41,
    "nodes/node.py": '''class Node:
    FUNCTION = "run"

    def run(self, a, b, c, d, e, f, g, h): ...

    def other(self, a, b, c, d, e, f, g, h): ...
''',
    "tests/test_it.py": f"x = '{'y' * 200}'\n",
    ".venv/not_ours.py": "x = 1\n" * 1000,
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_files_and_functions_of_a_part(tree: Path) -> None:
    core = measured(tree)["parts"]["core"]
    assert (core["files"], core["lines_max"], core["longest_file"]) == (5, 21, "a124core/loose.py")
    assert (core["short_files"], core["lines_median"]) == (1.0, 1)
    assert (core["functions"], core["functions_per_file"]) == (8, 8 / 5)
    assert (core["function_max"], core["longest_function"]) == (6, "a124core/loose.py: outer")
    assert core["function_median"] == 1.5


def test_kernels_and_signatures_of_nodes_may_have_many_parameters(tree: Path) -> None:
    parts = measured(tree)["parts"]
    assert parts["core"]["many_parameters"] == {"a124core/kernels/torch_ops.py: march": 8, "a124core/loose.py: many": 8}
    assert parts["nodes"]["many_parameters"] == {"nodes/node.py: Node.other": 8}


def test_hints_and_docstrings(tree: Path) -> None:
    core = measured(tree)["parts"]["core"]
    hinted, asked = 3 + 0 + 2 + 2, 5 + 1 + 2 + 2 + 4 * 9  # outer, inner, plain, _hidden, four of eight parameters
    assert core["hints"] == hinted / asked and core["hints_without_kernels"] == hinted / (asked - 2 * 9)
    assert core["docstrings"] == 2 / 9 and core["docstrings_public"] == 2 / 7  # neither inner nor _hidden


def test_the_whole(tree: Path) -> None:
    found = measured(tree)
    whole = found["whole"]
    assert (whole["loose_core"], whole["loose_nodes"]) == (["loose.py"], ["node.py"])
    assert whole["lines"] == {"a124core + nodes": 1 + 1 + 21 + 3 + 41 + 6, "tests": 1, "all": 74}
    assert whole["statements"]["tests"] == 1
    assert whole["longest_line"] == {"characters": 206, "where": "tests/test_it.py:1"}
    cli = found["parts"]["cli"]
    assert (cli["files"], cli["short_files"], cli["functions"], cli["hints"]) == (1, 0.0, 0, 1.0)
    assert "| files of 40 lines or fewer | 100% | 100% | 0% |" in markdown(found)


def test_a_percentile_is_one_of_the_values() -> None:
    assert percentile(range(1, 11), 90) == 9 and percentile([3], 90) == 3 and percentile([], 90) == 0
