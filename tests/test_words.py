"""Names are the field's terms: words that say nothing, or something else, stay out (docs/glossary.md has the terms).

`python tests/test_words.py [FILE OR FOLDER ...]` prints each offender as file:line:name.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted(file for folder in ("a124core", "nodes", "tools") for file in (ROOT / folder).rglob("*.py"))

# A part of a name, between underscores or capitals -> what the field says.
BANNED = {
    "air": "empty_space", "apart": "distance, split_...", "asked": "requested, options", "audience": "supervision",
    "belief": "denoised", "came": "actual", "carry": "say what it does", "confined": "single_view",
    "found": "the noun: matches, hits, names", "given": "the noun: options, source", "hear": "use, read",
    "heard": "sensitivity, mask", "hears": "uses", "imagine": "denoise_noise", "imagined": "denoise_noise",
    "judge": "loss_fn", "kept": "the noun: saved, remaining, weights", "looks": "options, renders", "moment": "time",
    "moments": "times", "nouns": "the type", "picture": "image", "pictures": "images", "room": "memory",
    "said": "message, printed", "seen": "visible, hits, visited", "shot": "render, batch", "shots": "renders, batches",
    "shown": "rendered, logged, visible", "silent": "masked", "skin": "atlas", "spot": "position", "stretch": "segment",
    "suspicion": "warning", "suspicions": "warnings", "tell": "message", "told": "conditioning, embeddings",
    "unheard": "unused", "wanted": "expected, requested, target", "wish": "request", "wishes": "options",
    "words": "embeddings, tokens, options, labels",
}
BANNED_WHOLE = ("much", "of", "some", "spots", "what", "where", "who")  # as a whole name

# What people see and saved workflows hold: these names stay.
FINAL = {"A124ExamplePicture", "moment", "picture"}
FINAL_IN = "nodes"  # inputs of nodes are parameters there
# Honest uses: (file, name) -> why.
HONEST = {
    ("tools/tiny_set/words.py", "words"): "words of a vocabulary, which become tokens",
}


def parts(name: str) -> list[str]:
    return [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, name) of everything that a file names: definitions, parameters, variables, attributes, aliases."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.lineno, node.name
        elif isinstance(node, ast.alias) and node.asname:
            yield 0, node.asname


def offenders(file: Path) -> list[str]:
    """file:line:name, each name once a file."""
    path = file.relative_to(ROOT).as_posix()
    first: dict[str, int] = {}
    for line, name in names(ast.parse(file.read_text(encoding="utf-8"))):
        first.setdefault(name, line)
    return [f"{path}:{line}:{name}" for name, line in first.items() if not _is_fine(path, name)]


def _is_fine(path: str, name: str) -> bool:
    if (path, name) in HONEST or (name in FINAL and path.startswith(FINAL_IN)):
        return True
    return name not in BANNED_WHOLE and not BANNED.keys() & {*parts(name)}


def test_the_test_reads_names() -> None:
    tree = ast.parse("class RoomKept:\n  def f(self, asked):\n    self.found, x = (told := 1), 2\n")
    assert {name for _, name in names(tree)} == {"RoomKept", "f", "self", "asked", "x", "found", "told"}
    assert parts("_RoomKept2_xyzToRGB") == ["room", "kept", "xyz", "to", "rgb"]


def test_no_exemption_is_left_over() -> None:
    for path, name in HONEST:
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {each for _, each in names(tree)}, f"{path} no longer names {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_names_are_the_terms_of_the_field(file: Path) -> None:
    lines = offenders(file)
    hints = {part: BANNED[part] for line in lines for part in parts(line.rpartition(":")[2]) if part in BANNED}
    assert not lines, f"{', '.join(lines)}: say {hints or 'what it is'}; see docs/glossary.md"


if __name__ == "__main__":
    chosen = [Path(argument).resolve() for argument in sys.argv[1:]]
    for file in FILES:
        if not chosen or any(file == path or path in file.parents for path in chosen):
            for line in offenders(file):
                sys.stdout.write(f"{line}\n")
