"""Names that any system takes for a file, and those that it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a124core.utils.validate import checked_prompt, plain_name


@pytest.mark.parametrize("name", ["robot", "cats/tabby", "a.b-c_1 2", "été", "console", "com10", "x" * 120])
def test_plain_names_pass(name: str) -> None:
    assert plain_name(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "does not stay"), ("  ", "does not stay"), ("..", "does not stay"), ("a/../b", "does not stay"),
        ("/tmp/a", "does not stay"), ("a/", "does not stay"), ("a//b", "does not stay"), (".", "does not stay"),
        ("a/" * 2000 + "b", "more than 16 folders"),
        ("CON", "Windows"), ("nul.txt", "Windows"), ("a/Lpt1", "Windows"), ("com9.mp4", "Windows"), ("aux ", "Windows"),
        ("CONIN$", "Windows"), ("conout$.mp4", "Windows"), ("com¹", "Windows"), ("a/LPT³.txt", "Windows"),
        ("a\\b", "character"), ("C:x", "character"), ("a?", "character"), ("a\n", "character"), ("a\x00", "character"),
        ("a.", "ends with a dot"), ("a ", "space"), (" a", "space"), ("x" * 121, "longer"), ("猫" * 41, "longer"),
    ],
)
def test_others_are_refused_in_one_sentence(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"{words}.*use a plain name") as refused:
        plain_name(name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["a \ud800 cat", "\udc80", "a\x00b", "\x1b[31mred", "a\x7f"])
def test_prompts_that_are_no_text_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"the prompt holds U\+00|U\+D") as refused:
        checked_prompt(text)
    assert str(refused.value).isprintable()


def test_prompts_in_any_script_pass() -> None:
    for text in ("a panda is dancing", "一只熊猫在跳舞", "une poupée", "👩‍👩‍👧 dance", "עברית \u202e"):
        assert checked_prompt(f"  {text}\n") == text.strip()


@given(st.text())
def test_any_text_is_a_prompt_or_refused_in_one_sentence(text: str) -> None:
    try:
        assert checked_prompt(text) == checked_prompt(checked_prompt(text))
    except ValueError as error:
        assert len(str(error).splitlines()) == 1 and str(error).endswith(".")


@given(st.text())
def test_any_name_is_plain_or_refused_in_one_sentence(name: str) -> None:
    try:
        plain_name(name).encode()
    except ValueError as error:
        assert type(error) is ValueError and str(error).endswith(".") and len(str(error).splitlines()) == 1
        assert len(str(error)) < 600
