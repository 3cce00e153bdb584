"""Compare the viewer's reader in JavaScript with ours in Python: `python -m tests.fuzz.volume_twin [-n N] [--seed S]`.

Both must show the same cells, or refuse in one sentence. Needs node; `tests/web` tries the same files in a browser."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.fuzz.driver import BYTES, CASES, SECONDS, case
from tests.fuzz.read_volume import read_volume
from tests.fuzz.volume_files import PARSERS

SCRIPT = Path(__file__).with_suffix(".mjs")
STARTED = 200 * 1024  # kilobytes of node before it reads anything, at most
BEGINNINGS = ("The viewer file ", "The file ", "The scene ", "This is no")  # of the sentences of volume.mjs


def expected(data: bytes) -> str | None:
    """What the reader in Python makes of a file: a hash of its cells, as RGBA; None if it refuses."""
    try:
        cells, _ = read_volume(data)
    except ValueError:
        return None
    return hashlib.sha256(cells.permute(0, 2, 3, 4, 1).contiguous().numpy().tobytes()).hexdigest()


def fault_of(outcome: dict[str, Any], data: bytes) -> str:
    """What is wrong with what JavaScript made of a file; empty if nothing is."""
    if "failed" in outcome:
        return outcome["failed"].splitlines()[0]
    if outcome.get("good") != expected(data):
        return f"{outcome}, but Python {'refuses it' if expected(data) is None else 'reads it'}"
    message = outcome.get("refused", "The file .")
    if not message.startswith(BEGINNINGS) or not message.endswith(".") or len(message.splitlines()) > 1:
        return f"no sentence of ours: {message}"
    if outcome.get("seconds", 0.0) > SECONDS:
        return f"took {outcome['seconds']:.1f} s"
    return "took too much memory" if outcome.get("kilobytes", 0) > STARTED + BYTES / 1024 else ""


def outcomes(files: Iterable[bytes]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Read the files in node, one after the other."""
    with subprocess.Popen(["node", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as node:
        for data in files:
            node.stdin.write(base64.b64encode(data).decode() + "\n")
            node.stdin.flush()
            yield data, json.loads(node.stdout.readline())
        node.stdin.close()


def main(arguments: list[str] | None = None) -> int:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("-n", "--cases", type=int, default=CASES, help="files of each kind (%(default)s)")
    p.add_argument("--seed", type=int, help="another set of files; by chance without, and printed")
    options = p.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    print(f"seed {seed}, {options.cases} files of each kind", flush=True)
    failed = 0
    for parser in PARSERS:
        counts: Counter[str] = Counter()
        for number, (data, outcome) in enumerate(outcomes(case(parser, seed, k)[1] for k in range(options.cases))):
            fault = fault_of(outcome, data)
            counts["failed" if fault else "good" if "good" in outcome else "refused"] += 1
            if fault:
                print(f"    {parser.name} {number}: {fault}", flush=True)
        failed += counts["failed"]
        print(f"{parser.name:24} {dict(counts)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
