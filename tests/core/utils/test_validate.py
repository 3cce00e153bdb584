"""Names that any system takes for a file, and those that it does not."""

from __future__ import annotations

import pytest

from a124core.utils.validate import plain_name


@pytest.mark.parametrize("name", ["robot", "cats/tabby", "a.b-c_1 2", "été", "console", "com10", "x" * 120])
def test_plain_names_pass(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "does not stay"), ("  ", "does not stay"), ("..", "does not stay"), ("a/../b", "does not stay"),
        ("/tmp/a", "does not stay"), ("a/", "does not stay"), ("a//b", "does not stay"), (".", "does not stay"),
        ("CON", "Windows"), ("nul.txt", "Windows"), ("a/Lpt1", "Windows"), ("com9.mp4", "Windows"), ("aux ", "Windows"),
        ("a\\b", "character"), ("C:x", "character"), ("a?", "character"), ("a\n", "character"), ("a\x00", "character"),
        ("a.", "ends with a dot"), ("a ", "space"), (" a", "space"), ("x" * 121, "longer"), ("猫" * 41, "longer"),
    ],
)
def test_others_are_refused_in_one_sentence(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"{words}.*use a plain name") as refused:
        plain_name(name)
    assert "\n" not in str(refused.value)
