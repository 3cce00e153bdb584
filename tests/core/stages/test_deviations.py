"""docs/deviations.md shows what the code does: its table against the dataclasses of every preset.

After a change of presets.py or config.py, `python tests/core/stages/test_deviations.py` writes it anew; notes are kept.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "deviations.md"
COLUMNS = ("released", "paper", "draft", "good", "demo", "released_as_written", "paper_as_printed")
BEGIN, END = "<!-- presets: begin -->", "<!-- presets: end -->"


def leaves(config: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every number of nested dataclasses with its dotted name."""
    for f in fields(config):
        value, name = getattr(config, f.name), f"{path}.{f.name}".lstrip(".")
        if is_dataclass(value):
            yield from leaves(value, name)
        else:
            yield name, value


def shown(value: object) -> str:
    """A value as the table writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)


def expected() -> dict[str, list[str]]:
    """Dotted name -> one cell for each column, from the code."""
    from a124core.stages.presets import preset

    columns = [dict(leaves(preset(name))) for name in COLUMNS]
    return {name: [shown(column[name]) for column in columns] for name in columns[0]}


def table(text: str) -> list[list[str]]:
    """The cells of the generated table, without its two head lines."""
    lines = text.split(BEGIN)[1].split(END)[0].strip().splitlines()
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in lines]


def test_the_table_is_what_the_code_does():
    head, _, *rows = table(PAGE.read_text(encoding="utf-8"))
    assert head[1 : 1 + len(COLUMNS)] == list(COLUMNS)
    written = {row[0].strip("`"): row[1 : 1 + len(COLUMNS)] for row in rows}
    assert len(written) == len(rows)
    assert written == expected()


def test_every_preset_has_a_column():
    from a124core.stages.presets import PRESETS

    assert set(COLUMNS) | {"auto"} == set(PRESETS)


def test_values_are_written_so_that_none_is_lost():
    values = (True, 0.1, 1e-15, 1000.0, 5000, "hash")
    assert " ".join(shown(v) for v in values) == "yes 0.1 1e-15 1000 5000 hash"
    assert float(shown(1 / 3)) == 1 / 3


def rewrite() -> None:
    """Write the table of the page anew; notes stay with their names."""
    text = PAGE.read_text(encoding="utf-8")
    notes = {row[0].strip("`"): row[-1] for row in table(text)[2:]}
    lines = [f"| number | {' | '.join(COLUMNS)} | note |", "|---" * (len(COLUMNS) + 2) + "|"]
    lines += [f"| `{name}` | {' | '.join(cells)} | {notes.get(name, '')} |" for name, cells in expected().items()]
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(before + "\n".join([BEGIN, *lines, END]) + after, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    rewrite()
