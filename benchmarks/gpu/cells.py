"""What gpu.json says, as cells of the tables of docs/performance.md."""

from __future__ import annotations

from typing import Any

from a124core.utils.text import format_bytes, format_duration

from ..field import BASELINE
from ..full_size import FIELD
from ..scaling import FIELD as ENCODING
from .plan import MEMORIES, STAGES, full_size_name, memory_name

# A table by its head's line; a row by its first cells.
MACHINE = "| GPU tables | card | driver | CUDA | torch | triton | day |"
CHECKS = "| | how | seen |"
DEMO = "| GPU, the demo | static | coarse | fine | everything, without films |"
FIELDS = "| GPU, 500,000 samples | straight port | torch | triton | floor |"
SCALING = "| GPU | T = 1 | 4 | 16 | 64 | 256 | 64 px | 128 | 256 | 512 |"
SIZES = "| GPU, full pictures | static, full | static, low | coarse, full | coarse, low | fine, full | fine, low |"
MEMORY = "| preset | memory | rays at once | static | coarse | fine | GPU peak, measured | minutes, measured |"
GRIDS, PIXELS = (1, 4, 16, 64, 256), (64, 128, 256, 512)

Results = dict[str, Any]  # of a row, by their keys
Cells = dict[str, dict[tuple[str, ...], list[str]]]  # head -> first cells of a line -> its last cells, "" where unknown


def all_cells(record: dict[str, Any]) -> Cells:
    """Return every cell that the record knows."""
    results = {name: row["results"] for name, row in record["rows"].items()}

    def of(name: str) -> Results:
        return results.get(name, {})

    return {
        MACHINE: {("measured with",): _machine(of("machine"), record.get("day", ""))},
        CHECKS: {("on a GPU",): [_checked(of("kernels"), of("checks"))]},
        DEMO: _demo(of("demo")),
        FIELDS: _field(of("field")),
        SCALING: {("time, ratio to the first",): _scaling(of("scaling"))},
        SIZES: _sizes([of(full_size_name(stage, memory)) for stage in STAGES for memory in ("full", "low")]),
        MEMORY: {
            (preset, memory): _memory(of(memory_name(preset)), memory)
            for preset in ("demo", "good", "draft", "released", "paper")
            for memory in MEMORIES
        },
    }


def _machine(results: Results, day: str) -> list[str]:
    if not results:
        return [""] * 6
    packages = results["packages"]
    card = f"{results['chip']}, {format_bytes(results['memory'])}"
    return [card, *(str(v) for v in (results["driver"], results["cuda"], packages["torch"], packages["triton"])), day]


def _checked(kernels: Results, checks: Results) -> str:
    """Say what the tests and the self-test found."""
    said = []
    if "passed" in checks:
        named = f" ({', '.join(name.split('::')[-1] for name in checks['failures'])})" if checks["failures"] else ""
        failed = checks["failed"] + checks["error"]
        stopped = "" if checks.get("exit code") is not None else ", then they were stopped"
        said.append(f"{checks['passed']} passed, {failed} failed{named}, {checks['skipped']} skipped{stopped}")
    cases = {name: case for name, case in kernels.items() if isinstance(case, dict)}
    if cases:
        bad = [name for name, case in cases.items() if not case.get("agrees")]
        most = max((case.get("difference", 0.0) for case in cases.values()), default=0.0)
        agreed = f"self-test: {len(cases) - len(bad)} of {len(cases)} agree, largest relative difference {most:.1g}"
        said.append(agreed + (f"; not {', '.join(bad)}" if bad else ""))
    if "used" in kernels:
        said.append(f"a run gets {kernels['used']}")
    return "; ".join(said)


def _demo(results: Results) -> dict[tuple[str, ...], list[str]]:
    stages = [results.get(stage) for stage in STAGES]
    everything = results.get("everything")

    def row(last: str, text: Any) -> list[str]:
        return [*("" if stage is None else text(stage) for stage in stages), last]

    def figures(stage: Results) -> str:
        return f"{stage['figures']['psnr_heldout']:.1f} dB, {stage['figures']['psnr_object']:.1f} dB"

    return {
        ("seconds",): row("" if everything is None else f"{everything:.0f} s", lambda s: f"{s['seconds']:.1f} s"),
        ("peak reserved memory",): row("", lambda s: _megabytes(s["peak_memory_mb"])),
        ("PSNR from unseen cameras, on the object",): row("", figures),
    }


def _field(results: Results) -> dict[tuple[str, ...], list[str]]:
    """Write times as the CPU's table does: against the straight port, and against the floor."""
    rows = {}
    for query, spent in results.get("seconds", {}).items():
        base, floor = spent[BASELINE], results["floor"]
        cells = [f"{base * 1e3:,.1f} ms ({base / floor:.2g}x of the floor)"]
        for name in ("torch", "triton"):
            s = spent.get(name)
            cells.append("" if s is None else f"{s * 1e3:,.1f} ms, **{base / s:.1f}x faster** ({s / floor:.2g}x)")
        rows[(query,)] = [*cells, f"{floor * 1e3:.1f} ms"]
    return rows


def _scaling(results: Results) -> list[str]:
    grids = [results.get(f"time grids {value}", {}).get(ENCODING) for value in GRIDS]
    sizes = [results.get(f"pixels {value}", {}).get("seconds") for value in PIXELS]
    return [*_ratios(grids), *_ratios(sizes)]


def _ratios(seconds: list[float | None]) -> list[str]:
    first = seconds[0]
    if first is None:
        return [""] * len(seconds)
    return ["" if value is None else f"{value / first:.2f}x ({value * 1e3:.1f} ms)" for value in seconds]


def _sizes(measured: list[Results]) -> dict[tuple[str, ...], list[str]]:
    known = [results if results.get("steps") and results.get("seconds") else None for results in measured]

    def row(text: Any) -> list[str]:
        return ["" if results is None else text(results) for results in known]

    return {
        ("steps a second",): row(lambda r: f"{r['steps'] / r['seconds']:.3g}"),
        ("peak reserved memory",): row(lambda r: _megabytes(r["peak_memory_mb"])),
        ("field and renderer, share",): row(
            lambda r: f"{100 * sum(r['parts'].get(part, 0.0) for part in FIELD) / r['seconds']:.0f} %"
        ),
    }


def _memory(results: Results, memory: str) -> list[str]:
    """Peaks of the three stages, and the minutes of all their steps together."""
    stages = [results.get(f"{memory}, {stage}") for stage in STAGES]
    if stages[0] is None:
        return ["", ""]
    peaks = [_peak(stage) for stage in stages]
    if not all(stage and "stage_steps" in stage for stage in stages):
        return [" / ".join(peak for peak in peaks if peak), ""]
    return [" / ".join(peaks), format_duration(sum(s["seconds_a_step"] * s["stage_steps"] for s in stages))]


def _peak(stage: Results | None) -> str:
    if stage is None:
        return ""
    return stage.get("problem") or _megabytes(stage["peak_reserved_mb"])


def _megabytes(size: float) -> str:
    return format_bytes(size * 2**20)
