"""Everything that needs a GPU, most valuable first, within a budget:

    python -m benchmarks.gpu [--minutes 8] [--out output/gpu]     writes gpu.json after each result, and a contact sheet
    python -m benchmarks.gpu --fill output/gpu/gpu.json           puts the numbers into docs/performance.md

It runs with whatever torch stands there, offline; a row whose package is missing is skipped, and gpu.json says why."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from a124core.utils.files import write_json

from . import BEGAN
from .plan import MACHINE, Row, rows
from .worker import DONE, FAILED, GRACE, SKIPPED, Job, Worker

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
RECORD = "gpu.json"
CLOSING = 4.0  # seconds of the budget that are left when the last row must have ended


def main() -> int:
    """Measure, or fill the page; return the exit code."""
    options = _arguments()
    if options.fill is not None:
        return _fill(options)
    names = [row.name for row in rows(options.tiny)]
    unknown = sorted(set(options.rows or ()) - {*names})
    if unknown or options.minutes <= 0:
        fault = f"there is no row {unknown[0]!r}: use of {', '.join(names)}" if unknown else "--minutes must be above 0"
        print(f"error: {fault}.", file=sys.stderr)
        return 2
    chosen = [row for row in rows(options.tiny) if options.rows is None or row.name in options.rows]
    return _measure(chosen, options)


def _arguments() -> argparse.Namespace:
    summary, *_ = (__doc__ or "").splitlines()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=summary)
    parser.add_argument("--minutes", type=float, default=8.0, help="everything has ended by then (%(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--out", type=Path, default=Path("output/gpu"), help="folder (%(default)s)")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="these alone, by their names in gpu.json")
    parser.add_argument("--tiny", action="store_true", help="small problems whose numbers mean nothing: for tests")
    parser.add_argument("--fill", type=Path, metavar="GPU.JSON", help="only fill the page's empty cells from this file")
    parser.add_argument("--page", type=Path, default=PAGE, help="that is filled (docs/performance.md)")
    return parser.parse_args()


def _fill(options: argparse.Namespace) -> int:
    from .fill import FillError, fill  # what it needs must not keep a bare machine from measuring

    try:
        filled = fill(options.fill, options.page)
    except FillError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.page}: {filled} cells filled.")
    return 0


def _measure(chosen: list[Row], options: argparse.Namespace) -> int:
    """Measure the machine, then the rows while there is time; everything that was measured is written at once."""
    record: dict[str, Any] = {
        "benchmark": "gpu", "device": options.device, "tiny": options.tiny, "minutes": options.minutes,
        "day": time.strftime("%Y-%m-%d"), "rows": {},
    }
    worker = Worker()
    try:
        state = _one(MACHINE, worker, record, options)
        if state != DONE:
            reason = record["rows"][MACHINE.name]["reason"].splitlines()[0]
            print(f"error: {options.device} cannot be used ({reason}): check its driver and torch.", file=sys.stderr)
            return 2
        for row in chosen:
            _one(row, worker, record, options)
    finally:
        worker.close()
    ends = [row["state"] for row in record["rows"].values()]
    counts = ", ".join(f"{ends.count(state)} {state}" for state in sorted(set(ends)))
    print(f"{counts}, in {_elapsed():.0f} s. Written: {options.out / RECORD}")
    return 1 if FAILED in ends else 0


def _one(row: Row, worker: Worker, record: dict[str, Any], options: argparse.Namespace) -> str:
    """Measure a row and write the record -> how it ended."""
    entry: dict[str, Any] = {"state": "running", "reason": "", "seconds": 0.0, "results": {}}
    record["rows"][row.name] = entry
    left = 60.0 * options.minutes - _elapsed() - GRACE - CLOSING
    began = time.monotonic()
    if left < row.least:
        entry |= {"state": SKIPPED, "reason": f"{max(left, 0.0):.0f} s were left, and it needs {row.least:.0f}"}
    else:
        print(f"{row.name} (at {_elapsed():.0f} s) ...", flush=True)

        def on_result(key: str, value: Any) -> None:
            entry["results"][key] = value
            entry["seconds"] = time.monotonic() - began
            _write(record, options.out)

        job = Job(row, options.device, options.out.resolve(), min(row.limit, left))
        state, reason = worker.run(job, on_result)
        entry |= {"state": state, "reason": reason, "seconds": time.monotonic() - began}
    _write(record, options.out)
    reason = f": {entry['reason'].splitlines()[0]}" if entry["reason"] else ""
    print(f"{row.name}: {entry['state']} in {entry['seconds']:.1f} s{reason}", flush=True)
    return entry["state"]


def _write(record: dict[str, Any], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    record["seconds"] = _elapsed()
    write_json(out / RECORD, record)


def _elapsed() -> float:
    return time.monotonic() - BEGAN


if __name__ == "__main__":
    sys.exit(main())
