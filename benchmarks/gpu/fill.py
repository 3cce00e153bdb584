"""Put the numbers of gpu.json into the empty cells of docs/performance.md, and leave every other character alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .cells import Cells, all_cells

EMPTY = ("", "**not run: there was no GPU**")


class FillError(ValueError):
    """The file or the page cannot be used: one sentence."""


def fill(path: Path, page: Path) -> int:
    """Fill the empty cells that the file knows -> how many."""
    cells = all_cells(_read(path))
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise FillError(f"{page} cannot be read ({error.strerror}): name the page with --page.") from None
    new, filled = filled_text(text, cells)
    if filled:
        page.write_text(new, encoding="utf-8")
    return filled


def _read(path: Path) -> dict[str, Any]:
    """Return what a whole run on a GPU wrote."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no JSON"
        raise FillError(f"{path} cannot be read ({reason}): name a gpu.json that make gpu wrote.") from None
    if not isinstance(record, dict) or record.get("benchmark") != "gpu" or not isinstance(record.get("rows"), dict):
        raise FillError(f"{path} is no record of make gpu: name a gpu.json that it wrote.")
    if record.get("tiny") or record.get("device") != "cuda":
        size = "small problems" if record.get("tiny") else f"a {record.get('device')}"
        raise FillError(f"{path} is of {size}, and the page is about a GPU: run make gpu on one and name its file.")
    return record


def filled_text(text: str, cells: Cells) -> tuple[str, int]:
    """Return the page with its empty cells filled, and how many were."""
    lines, head, filled = text.split("\n"), "", 0
    for i, line in enumerate(lines):
        if not line.startswith("|"):
            head = ""
        elif not head:
            head = line.strip()
        elif row := _row_of(line, cells.get(head, {})):
            lines[i], count = _filled_line(line, row)
            filled += count
    return "\n".join(lines), filled


def _row_of(line: str, rows: dict[tuple[str, ...], list[str]]) -> list[str]:
    """Return the cells known of a line; none where it is another's."""
    written = _split(line)
    return next((row for key, row in rows.items() if tuple(written[: len(key)]) == key), [])


def _filled_line(line: str, row: list[str]) -> tuple[str, int]:
    """Fill the line's last cells where they are empty."""
    written = _split(line)
    first, count = len(written) - len(row), 0
    for k, value in enumerate(row, first):
        if value and written[k] in EMPTY:
            written[k] = value
            count += 1
    return (f"| {' | '.join(written)} |" if count else line), count


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip()[1:-1].split("|")]
