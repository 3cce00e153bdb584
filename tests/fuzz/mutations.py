"""Ways to damage bytes and JSON, for all kinds of files."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

EDGES = (0, 1, 2, 3, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
EDGE_FLOATS = (0.0, -0.0, 1e-320, 1e-30, 1e30, 3.5e38, 1e308, -1e308, float("nan"), float("inf"), -float("inf"))
ODD_TEXTS = ("", " ", "\ud800", "\x00", "é" * 300, "a\nb", "../..", "CON", "0", "NaN", "１２", "%s{0}", "\u202e", "[]")


def damage_bytes(rng: random.Random, data: bytes, most: int = 6) -> bytes:
    """Flip, set, drop, repeat, insert, swap or cut bytes, 1 to `most` times."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, most)):
        rng.choice(BYTE_CHANGES)(rng, changed)
    return bytes(changed)


def _place(rng: random.Random, data: bytearray, length: int = 1) -> int:
    """Half of all places lie in the first 256 bytes, where headers are."""
    end = max(len(data) - length, 0)
    return rng.randint(0, min(end, 256) if rng.random() < 0.5 else end)


def _flip(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_place(rng, data)] ^= 1 << rng.randrange(8)


def _set_byte(rng: random.Random, data: bytearray) -> None:
    if data:
        data[_place(rng, data)] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))


def _set_integer(rng: random.Random, data: bytearray) -> None:
    """An edge value of 2, 4 or 8 bytes, either byte order."""
    length = rng.choice((2, 4, 8))
    k = _place(rng, data, length)
    value = (rng.choice(EDGES) + rng.choice((0, 0, 1, -1))) % 256**length
    data[k : k + length] = value.to_bytes(length, rng.choice(("little", "big")))


def _cut(rng: random.Random, data: bytearray) -> None:
    del data[_place(rng, data) :]


def _drop(rng: random.Random, data: bytearray) -> None:
    k = _place(rng, data)
    del data[k : k + rng.randint(1, 64)]


def _repeat(rng: random.Random, data: bytearray) -> None:
    k = _place(rng, data)
    data[k:k] = data[k : k + rng.randint(1, 64)] * rng.choice((1, 2, 100))


def _insert(rng: random.Random, data: bytearray) -> None:
    k = _place(rng, data)
    data[k:k] = rng.randbytes(rng.randint(1, 16))


def _swap(rng: random.Random, data: bytearray) -> None:
    a, b, length = _place(rng, data, 16), _place(rng, data, 16), rng.randint(1, 16)
    data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]


BYTE_CHANGES = (_flip, _flip, _set_byte, _set_integer, _set_integer, _cut, _drop, _repeat, _insert, _swap)


def odd_value(rng: random.Random) -> Any:
    """A JSON value that hardly anybody expects."""
    return rng.choice((
        None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**400, rng.choice(EDGE_FLOATS), rng.uniform(-10, 10),
        rng.choice(ODD_TEXTS), [], {}, [None], [[]], {"": 0}, [0.0] * 16, [1.5, "a"], rng.choice(EDGES),
        float(rng.choice(EDGES)),
    ))


def damage_json(rng: random.Random, content: Any, most: int = 4) -> Any:
    """Replace, drop, repeat, rename or nest values anywhere in JSON, 1 to `most` times."""
    changed = copy.deepcopy(content)
    for _ in range(rng.randint(1, most)):
        groups = _groups(changed)
        if not groups:
            return odd_value(rng)
        _damage_group(rng, rng.choice(groups))
    return changed


def _groups(content: Any) -> list[Any]:
    """All lists and objects that hold something."""
    if not isinstance(content, (dict, list)) or not content:
        return []
    children = content.values() if isinstance(content, dict) else content
    return [content, *(group for child in children for group in _groups(child))]


def _damage_group(rng: random.Random, group: Any) -> None:
    key = rng.choice(list(group)) if isinstance(group, dict) else rng.randrange(len(group))
    change = rng.randrange(8)
    if change == 0:
        del group[key]
    elif change == 1:
        group[key] = [group[key]]
    elif change == 2 and isinstance(group, list):
        group.extend(copy.deepcopy(group[key:]))
    elif change == 3 and isinstance(group, dict):
        group[rng.choice(ODD_TEXTS)] = group.pop(key)
    elif change == 4 and isinstance(group[key], (int, float)):
        group[key] = rng.choice((-group[key], str(group[key]), group[key] * 10**6, [group[key]], bool(group[key])))
    else:
        group[key] = odd_value(rng)


def json_bytes(rng: random.Random, content: Any) -> bytes:
    """JSON as files have it: mostly UTF-8, at times with a byte order mark, in UTF-16, deep, or damaged bytes."""
    try:
        text = json.dumps(content, ensure_ascii=rng.random() < 0.8)
    except (ValueError, RecursionError):
        text = "{}"
    form = rng.randrange(20)
    if form == 0:
        depth = rng.choice((40, 900, 100_000))
        text = "[" * depth + text + "]" * depth
    elif form == 1:
        text = text.replace("0", rng.choice(("1e999", "0" * 5000, "1" * 5000, "NaN", "-", "0x1")), 1)
    elif form == 2:
        return damage_bytes(rng, text.encode(errors="surrogatepass"))
    encoding = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"))
    return text.encode(encoding, errors="surrogatepass")
