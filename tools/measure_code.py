"""Sizes of the code in numbers: files, functions, parameters, hints, docstrings. Read from the source, nothing is run.

    python tools/measure_code.py [--repo PATH] [--json FILE]

Files' sizes are counted without __init__.py, and lines are those of the file, blank ones too. A function is whatever
has a def of its own, also inside another; its length is that of its lines without decorators. self and cls are no
parameters. Public is what has no underscore before its name nor before that of anything around it, and what is not
inside a function. Kernels, and what a node class names as its FUNCTION, may have as many parameters as they need.
"""

from __future__ import annotations

import argparse
import ast
import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CORE, CLI, NODES, TESTS = "a124core", "a124core/cli", "nodes", "tests"
SHORT, MANY = 40, 7  # lines of a short file; parameters that need no excuse
KERNELS = ("triton", "numba")
SKIPPED = {".venv", "__pycache__", "node_modules"}  # anywhere; and at the root, what runs leave there:
LEFT_BY_RUNS = {"output", "runs"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Measures = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """A file and what is in it."""

    name: str  # from the root on
    lines: tuple[str, ...]
    tree: ast.Module

    @property
    def statements(self) -> int:
        return sum(isinstance(node, ast.stmt) for node in ast.walk(self.tree))


@dataclass(frozen=True)
class Defined:
    """A function or a class, and where it stands."""

    node: Function | ast.ClassDef
    name: str  # file: Class.method
    public: bool
    method: bool
    signature: bool  # what a node class names as its FUNCTION
    kernel: bool

    @property
    def length(self) -> int:
        return self.node.end_lineno - self.node.lineno + 1

    @property
    def parameters(self) -> list[ast.arg]:
        """All of them without self and cls."""
        a = self.node.args
        placed = [*a.posonlyargs, *a.args]
        static = any(getattr(d, "id", "") == "staticmethod" for d in self.node.decorator_list)
        more = [extra for extra in (a.vararg, a.kwarg) if extra is not None]
        return [*placed[self.method and not static :], *a.kwonlyargs, *more]

    @property
    def hints(self) -> list[bool]:
        """Of each parameter and of what is returned: is it said?"""
        return [*(p.annotation is not None for p in self.parameters), self.node.returns is not None]


def main(arguments: Sequence[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    p.add_argument("--repo", type=Path, default=ROOT, help="whose code is measured (this one's)")
    p.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = p.parse_args(arguments)
    measures = measured(options.repo)
    print(markdown(measures))
    if options.json:
        options.json.write_text(json.dumps(measures, indent=2) + "\n", encoding="utf-8")
    return 0


def measured(repo: Path) -> Measures:
    """Numbers of each part, and of the whole."""
    sources = [read(repo, file) for file in python_files(repo)]
    parts = {
        "core": [s for s in sources if inside(s, CORE) and not inside(s, CLI)],
        "nodes": [s for s in sources if inside(s, NODES)],
        "cli": [s for s in sources if inside(s, CLI)],
    }
    return {"parts": {name: measured_part(part) for name, part in parts.items()}, "whole": measured_whole(sources)}


def python_files(repo: Path) -> list[Path]:
    names = ((file, file.relative_to(repo).parts) for file in repo.rglob("*.py"))
    return sorted(file for file, parts in names if not SKIPPED & set(parts) and parts[0] not in LEFT_BY_RUNS)


def read(repo: Path, file: Path) -> Source:
    text = file.read_text(encoding="utf-8")
    return Source(file.relative_to(repo).as_posix(), tuple(text.splitlines()), ast.parse(text))


def inside(source: Source, folder: str) -> bool:
    return source.name.startswith(f"{folder}/")


def measured_part(sources: Sequence[Source]) -> Measures:
    """Files, functions, parameters, hints and docstrings of one part."""
    files = [s for s in sources if not s.name.endswith("/__init__.py")]
    lines = [len(s.lines) for s in files]
    defined = [d for s in sources for d in definitions(s)]
    functions = [d for d in defined if isinstance(d.node, FUNCTIONS)]
    lengths = [f.length for f in functions]
    judged = [f for f in functions if not f.signature and not f.kernel]
    counts = [len(f.parameters) for f in judged]
    return {
        "files": len(files),
        "lines_median": median(lines) if lines else 0,
        "lines_max": max(lines, default=0),
        "longest_file": max(files, key=lambda s: len(s.lines)).name if files else "",
        "short_files": share(n <= SHORT for n in lines),
        "functions": len(functions),
        "functions_per_file": len(functions) / max(len(files), 1),
        "function_median": median(lengths) if lengths else 0,
        "function_p90": percentile(lengths, 90),
        "function_max": max(lengths, default=0),
        "longest_function": max(functions, key=lambda f: f.length).name if functions else "",
        "parameters_p90": percentile(counts, 90),
        "parameters_max": max(counts, default=0),
        "many_parameters": {f.name: len(f.parameters) for f in judged if len(f.parameters) > MANY},
        "hints": share(hint for f in functions for hint in f.hints),
        "hints_without_kernels": share(hint for f in functions if not f.kernel for hint in f.hints),
        "docstrings_public": share(has_docstring(d) for d in defined if d.public),
        "docstrings": share(has_docstring(d) for d in defined),
    }


def measured_whole(sources: Sequence[Source]) -> Measures:
    """What is counted across the parts."""
    groups = {
        "a124core + nodes": [s for s in sources if inside(s, CORE) or inside(s, NODES)],
        "tests": [s for s in sources if inside(s, TESTS)],
        "all": list(sources),
    }
    longest = max(((len(line), f"{s.name}:{k}") for s in sources for k, line in enumerate(s.lines, 1)), default=(0, ""))
    return {
        "loose_core": loose(sources, CORE),
        "loose_nodes": loose(sources, NODES),
        "lines": {name: sum(len(s.lines) for s in group) for name, group in groups.items()},
        "statements": {name: sum(s.statements for s in group) for name, group in groups.items()},
        "longest_line": {"characters": longest[0], "where": longest[1]},
    }


def loose(sources: Sequence[Source], folder: str) -> list[str]:
    """Modules right in a folder, beside __init__ and __main__."""
    names = [s.name.removeprefix(f"{folder}/") for s in sources if inside(s, folder)]
    return [name for name in names if "/" not in name and not name.startswith("__")]


def definitions(source: Source) -> Iterator[Defined]:
    """Every function and class of a file, also those inside others."""
    yield from _inner(source, source.tree, "", True)


def _inner(source: Source, around: ast.AST, prefix: str, public: bool) -> Iterator[Defined]:
    signature = named_function(around)
    for node in ast.iter_child_nodes(around):
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield from _inner(source, node, prefix, public)
            continue
        visible = public and (not node.name.startswith("_") or is_special(node.name))
        method = isinstance(around, ast.ClassDef) and isinstance(node, FUNCTIONS)
        name, kernel = f"{prefix}{node.name}", is_kernel(source, node)
        yield Defined(node, f"{source.name}: {name}", visible, method, method and node.name == signature, kernel)
        yield from _inner(source, node, f"{name}.", visible and isinstance(node, ast.ClassDef))


def is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def named_function(node: ast.AST) -> str | None:
    """What a node class says in FUNCTION."""
    if not isinstance(node, ast.ClassDef):
        return None
    for statement in node.body:
        if isinstance(statement, ast.Assign) and [getattr(t, "id", "") for t in statement.targets] == ["FUNCTION"]:
            return getattr(statement.value, "value", None)
    return None


def is_kernel(source: Source, node: ast.AST) -> bool:
    """Written in Triton or for Numba: a file of kernels says so in its name or in that of a folder."""
    parts = source.name.split("/")
    named = any(part.startswith(KERNELS) or part.endswith(KERNELS) for part in (Path(p).stem for p in parts))
    return isinstance(node, FUNCTIONS) and "kernels" in parts and named


def has_docstring(defined: Defined) -> bool:
    return ast.get_docstring(defined.node) is not None


def share(answers: Iterator[bool]) -> float:
    """How many are true, of 1; 1 where nothing was asked."""
    values = list(answers)
    return sum(values) / len(values) if values else 1.0


def percentile(values: Sequence[int], percent: float) -> int:
    """The smallest value that so many per cent do not exceed."""
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] if ordered else 0


ROWS = (  # of the table: what, and how a part's numbers say it
    ("files (without `__init__`)", "{files}"),
    ("lines per file: median / longest", "{lines_median:g} / {lines_max} (`{longest_file}`)"),
    (f"files of {SHORT} lines or fewer", "{short_files:.0%}"),
    ("functions", "{functions}"),
    ("functions per file", "{functions_per_file:.1f}"),
    ("lines per function: median / 90th percentile", "{function_median:g} / {function_p90}"),
    ("longest function", "{function_max} (`{longest_function}`)"),
    ("parameters: 90th percentile / most", "{parameters_p90} / {parameters_max}"),
    ("parameters and returns with hints", "{hints:.1%}"),
    ("the same, kernels aside", "{hints_without_kernels:.1%}"),
    ("public functions and classes with docstrings", "{docstrings_public:.1%}"),
    ("all functions and classes with docstrings", "{docstrings:.1%}"),
)


def markdown(measures: Measures) -> str:
    """The parts side by side, then what has many parameters, then the whole."""
    parts, whole = measures["parts"], measures["whole"]
    lines = [f"| | {' | '.join(parts)} |", "|---" * (len(parts) + 1) + "|"]
    lines += [f"| {label} | {' | '.join(form.format(**part) for part in parts.values())} |" for label, form in ROWS]
    many = [f"- `{name}`: {count}" for part in parts.values() for name, count in part["many_parameters"].items()]
    lines += ["", f"More than {MANY} parameters, kernels and node signatures aside: {len(many)}", "", *many, ""]
    lines += ["| | lines | statements |", "|---|---|---|"]
    lines += [f"| {name} | {whole['lines'][name]} | {whole['statements'][name]} |" for name in whole["lines"]]
    for label, key in (("a124core", "loose_core"), ("nodes", "loose_nodes")):
        lines += ["", f"Modules at the root of {label}: {len(whole[key])} ({', '.join(whole[key])})"]
    longest = whole["longest_line"]
    return "\n".join([*lines, "", f"Longest line: {longest['characters']} (`{longest['where']}`)"])


if __name__ == "__main__":
    sys.exit(main())
