"""Read JSON that anybody may have written: its size, encoding, depth and type are checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .text import quote_value
from .validate import readable_file

MAX_BYTES = 16 * 2**20  # a camera file of 10,000 frames has 5 MB; Python's objects take some 20 times a text's size
MAX_DEPTH = 32  # lists and objects within each other; files of this program and of nerfstudio have 4
TYPE_NAMES = {dict: "an object {...}", list: "a list [...]"}


class _DoubledName(Exception):
    """An object names something twice."""


def read_json(
    path: str | Path, advice: str, types: tuple[type, ...] = (dict,), unique_names: bool = False
) -> Any:
    """Return the content of a JSON file, one of the types; ValueError ends with the advice, "give a ..."."""
    path = readable_file(path, advice, MAX_BYTES)
    return parse_json(path.read_bytes(), str(path), advice, types, unique_names)


def parse_json(
    text: str | bytes,
    source: str,
    advice: str,
    types: tuple[type, ...] = (dict,),
    unique_names: bool = False,  # refuse an object with a name twice, whose first value would be lost
) -> Any:
    """Return the content of JSON text in UTF-8, UTF-16 or UTF-32, with a byte order mark or without."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"{source} is longer than {MAX_BYTES // 2**20} MB: {advice}.")
    try:
        text = text.removeprefix("\ufeff") if isinstance(text, str) else text
        content = json.loads(text, object_pairs_hook=_unique if unique_names else None)
    except _DoubledName as error:
        raise ValueError(f"{source} has {error} twice: leave one of them.") from None
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


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's content; _DoubledName where it has a name twice."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise _DoubledName(quote_value(name))
        content[name] = value
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
