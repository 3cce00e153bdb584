"""JSON that anybody wrote: what is read, and what is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a124core.utils.json_files import MAX_BYTES, MAX_DEPTH, parse_json, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_and_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_text('{"name": "é"}', encoding=encoding)
    assert read_json(tmp_path / "a.json", "give another") == {"name": "é"}
    assert parse_json("\ufeff[1]", "the text", "write it again", (list,)) == [1]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is not JSON \\(line 1\\)"), (b'{"a":\n 1,}', "line 2"), (b"[1]", "holds JSON, but not an object"),
        (b"\xff\xfe\x00", "cannot|can be read"), (b'{"a": ' + b"9" * 5000 + b"}", "can be read"),
        (b"[" * 10**6, "can be read"), (b'{"a":' * 40 + b"1" + b"}" * 40, f"more than {MAX_DEPTH} lists"),
        (b" " * (MAX_BYTES + 1), "longer than 16 MB"),
    ],
)
def test_others_are_refused_with_the_advice(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ValueError, match=f"a.json .*({words}).*: give another.$"):
        read_json(tmp_path / "a.json", "give another")


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path, tmp_path / ("x" * 300)):
        with pytest.raises(ValueError, match="(was not found|cannot be read).*: give another.$"):
            read_json(path, "give another")


@given(VALUES)
def test_what_was_written_is_read(value: object) -> None:
    data = json.dumps({"value": value}).encode()
    assert parse_json(data, "the text", "write it again") == {"value": value}


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_bytes_are_read_or_refused_in_one_sentence(data: bytes | str) -> None:
    try:
        assert isinstance(parse_json(data, "the text", "write it again", (dict, list)), (dict, list))
    except ValueError as error:
        assert str(error).startswith("the text ") and str(error).endswith(": write it again.")
