"""docs/performance.md says what each preset holds under each `memory`: its table against what is counted.

After a change of presets.py or memory.py, python tests/core/runs/test_memory_table.py writes the table anew; what was
measured by hand is kept.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "performance.md"
COLUMNS = ("demo", "good", "draft", "released", "paper")
ALIKE = {"released_as_written", "paper_as_printed"}  # weights alone differ, so they hold the same
HEAD = "| preset | memory | rays at once | static | coarse | fine | GPU peak, measured | minutes, measured |"
BEGIN, END = "<!-- memory: begin -->", "<!-- memory: end -->"


def expected() -> dict[tuple[str, str], list[str]]:
    """(preset, memory) -> rays with their graph at once, then what each stage holds: with Triton, with plain torch."""
    from a124core.runs.memory import estimate_memory
    from a124core.stages.presets import MEMORY, preset, with_memory
    from a124core.utils.text import format_bytes

    found = {}
    for name in COLUMNS:
        for memory, rays in MEMORY.items():
            cells = [f"{rays:,}" if rays else "all"]
            for stage in ("static", "coarse", "fine"):
                config = with_memory(getattr(preset(name), stage), memory)
                given = preset(name).field, config, []
                needs = [estimate_memory(*given, kernels) for kernels in ("triton", "torch")]
                cells.append(" / ".join(format_bytes(n.total) for n in needs))
            found[name, memory] = cells
    return found


def table(text: str) -> dict[tuple[str, str], list[str]]:
    """The rows of the page by preset and memory."""
    lines = text.split(BEGIN)[1].split(END)[0].strip().splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in lines]
    return {(row[0], row[1]): row[2:] for row in rows}


def test_the_table_is_what_is_counted():
    wanted, written = expected(), table(PAGE.read_text(encoding="utf-8"))
    assert list(written) == list(wanted)
    assert {key: row[:4] for key, row in written.items()} == wanted


def test_every_preset_and_memory_has_a_row():
    from a124core.stages.presets import MEMORY, PRESETS

    assert set(COLUMNS) | {"auto"} | ALIKE == set(PRESETS)
    assert set(table(PAGE.read_text(encoding="utf-8"))) == {(name, memory) for name in COLUMNS for memory in MEMORY}


def rewrite() -> None:
    """Write the table of the page anew; measured cells stay in their rows."""
    text = PAGE.read_text(encoding="utf-8")
    measured = {key: row[4:] for key, row in table(text).items()}
    lines = [HEAD, "|---" * 8 + "|"]
    for key, cells in expected().items():
        lines.append(f"| {' | '.join([*key, *cells, *measured.get(key, ['', ''])])} |")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    PAGE.write_text(before + "\n".join([BEGIN, *lines, END]) + after, encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    rewrite()
