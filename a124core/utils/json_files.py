"""Read JSON that anybody may have written: its size, encoding, depth and type are checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

MAX_BYTES = 16 * 2**20  # a camera file of 10,000 frames has 5 MB; Python's objects take some 20 times a text's size
MAX_DEPTH = 32  # lists and objects within each other; files of this program and of nerfstudio have 4
TYPE_NAMES = {dict: "an object {...}", list: "a list [...]"}


def read_json(path: str | Path, advice: str, types: tuple[type, ...] = (dict,)) -> Any:
    """Return the content of a JSON file, one of the types; ValueError ends with the advice, "give a ..."."""
    path = Path(path)
    try:
        if not path.is_file():
            raise ValueError(f"{path} was not found: {advice}.")
        with path.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror or error}): {advice}.") from None
    return parse_json(data, str(path), advice, types)


def parse_json(text: str | bytes, source: str, advice: str, types: tuple[type, ...] = (dict,)) -> Any:
    """Return the content of JSON text in UTF-8, UTF-16 or UTF-32, with a byte order mark or without."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"{source} is longer than {MAX_BYTES // 2**20} MB: {advice}.")
    try:
        content = json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{source} is not JSON (line {error.lineno}): {advice}.") from None
    except (ValueError, RecursionError, MemoryError):  # bytes that are no text, numbers of 5,000 digits, endless depth
        raise ValueError(f"{source} is not JSON that can be read: {advice}.") from None
    if not isinstance(content, types):
        needed = " or ".join(TYPE_NAMES[kind] for kind in types)
        raise ValueError(f"{source} holds JSON, but not {needed}: {advice}.")
    if _is_deep(content):
        raise ValueError(f"{source} has more than {MAX_DEPTH} lists and objects within each other: {advice}.")
    return content


def _is_deep(content: Any) -> bool:
    """Return whether lists and objects lie deeper than MAX_DEPTH."""
    level = [content]
    for _ in range(MAX_DEPTH + 1):
        level = [value for group in level for value in _children(group) if isinstance(value, (dict, list))]
        if not level:
            return False
    return True


def _children(group: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return group.values() if isinstance(group, dict) else group
