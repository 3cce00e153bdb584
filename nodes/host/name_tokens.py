"""The host's tokens in names of files: %date:yyyy-MM-dd%, %year%, %width% and their kin, as Save Image fills them."""

from __future__ import annotations

import re
import time

DATE = re.compile(r"%date:([^%]*)%")
PART = re.compile(r"yyyy|yy|MM?|dd?|hh?|mm?|ss?")
PARTS = {"year": "yyyy", "month": "MM", "day": "dd", "hour": "hh", "minute": "mm", "second": "ss"}


def fill(name: str, size: tuple[int, int] = (0, 0), now: time.struct_time | None = None) -> str:
    """Replace the tokens of a name; size: width and height of what is written, zeros where it has none.

    Tokens that name a node's widget are the page's to fill: it does so before the name comes here.
    """
    now = now or time.localtime()
    name = DATE.sub(lambda match: _date(match[1], now), name)
    for token, form in PARTS.items():
        name = name.replace(f"%{token}%", _date(form, now))
    return name.replace("%width%", str(size[0])).replace("%height%", str(size[1]))


def _date(form: str, now: time.struct_time) -> str:
    """Write a date in the page's form: yyyy, yy, and one or two letters of M d h m s."""
    values = {"M": now.tm_mon, "d": now.tm_mday, "h": now.tm_hour, "m": now.tm_min, "s": now.tm_sec}

    def value(match: re.Match[str]) -> str:
        part = match[0]
        if part[0] == "y":
            return f"{now.tm_year:04}"[-len(part):]
        return str(values[part[0]]).zfill(len(part))

    return PART.sub(value, form)
