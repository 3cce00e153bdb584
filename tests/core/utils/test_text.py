"""Numbers with their nouns and units, and the sentences that use them."""

from __future__ import annotations

import pytest

from a124core.export.mesh import MeshOptions
from a124core.utils.text import count_noun, format_bytes, format_duration, printable, shorten


@pytest.mark.parametrize(("number", "words"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames"), (16, "16 frames")])
def test_one_is_singular(number: int, words: str) -> None:
    assert count_noun(number, "frame") == words


def test_what_is_out_of_range_needs_no_preset() -> None:
    with pytest.raises(ValueError, match="^frames is 0: it must be at least 1 and at most 1000, so choose another"):
        MeshOptions(frames=0)


def test_sizes_and_durations() -> None:
    assert [format_bytes(v) for v in (3 * 2**20, 1.5 * 2**30)] == ["3 MB", "1.5 GB"]
    assert [format_duration(v) for v in (40, 720, 12_600, 200_000)] == ["40 s", "12 min", "3.5 hours", "2.3 days"]


def test_the_middle_of_a_long_text_is_left_out() -> None:
    assert shorten("a" * 20, 20) == "a" * 20 and shorten("a" * 20 + "b" * 20, 21) == f"{'a' * 8} ... {'b' * 8}"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert printable("a\x1b]0;x\x07\n\u202e\ud800 é 猫") == "a\\x1b]0;x\\x07\\n\\u202e\\ud800 é 猫"
