"""Run readers on files that mutators damaged: `python -m tests.fuzz.driver [-n CASES] [--seed SEED] [PARSER ...]`.

Every module `tests/fuzz/*_files.py` lists its PARSERS. A file is good, or refused in one sentence within SECONDS and
BYTES of memory; anything else is a failure, whose file is kept. Failures make the exit code 1.
"""

from __future__ import annotations

import argparse
import dataclasses
import faulthandler
import importlib
import math
import numbers
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
CASES = 5000  # of each parser in the long run
SECONDS = 5.0  # of the processor that a reader may take; the clock of a busy machine says little
PATIENCE = 4  # times SECONDS on the clock, after which a reader is interrupted
BYTES = 2**30  # that it may take above the resident memory before
MAX_SENTENCE = 600  # characters
PRINTED = 20  # failures of each parser; all files are kept
CORPUS = 200  # files with which a coverage-guided run begins
RUNS = ("-max_len=20000", "-rss_limit_mb=4096", "-timeout=60")  # libFuzzer's options
HANG = 60  # seconds after which code that Python cannot interrupt ends the process
OURS = ("a124core", "nodes", "read_volume.py")  # folders, and the viewer's reader in Python, that may raise a refusal
KEEP = ROOT / "output" / "fuzz"  # where files of failures go


@dataclasses.dataclass(frozen=True)
class Parser:
    """A reader, and a function that makes it a damaged file from a seeded generator."""

    name: str
    build: Callable[[random.Random], tuple[str, bytes]]  # suffix of the file's name, its bytes
    read: Callable[[Path], Any]  # returns, or raises ValueError with one sentence
    check: Callable[[Any], str] = lambda result: fault_of(result)  # "" or what is wrong with an accepted result


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one file: "good", "refused" or "failed", and the sentence or the reason."""

    kind: str
    reason: str = ""


def load_parsers() -> dict[str, Parser]:
    """All parsers by name."""
    modules = sorted(path.stem for path in Path(__file__).parent.glob("*_files.py"))
    parsers = [p for name in modules for p in importlib.import_module(f"tests.fuzz.{name}").PARSERS]
    return {parser.name: parser for parser in parsers}


def case(parser: Parser, seed: int, number: int) -> tuple[str, bytes]:
    """The file of one case; the same for the same seed and number, whatever ran before."""
    return parser.build(random.Random(f"{seed}/{parser.name}/{number}"))


def try_file(parser: Parser, path: Path) -> Outcome:
    """Read one file and say what became of it."""
    before, start = _reset_peak(), time.process_time()
    try:
        with _alarm(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = parser.read(path)
        fault = parser.check(result)
        outcome = Outcome("failed", f"accepted with {fault}") if fault else Outcome("good")
        del result
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a reader raises is what is looked for
        fault = fault_of_refusal(error)
        outcome = Outcome("failed", fault) if fault else Outcome("refused", str(error))
    seconds, size = time.process_time() - start, _peak() - before
    if outcome.kind != "failed" and seconds > SECONDS:
        return Outcome("failed", f"took {seconds:.1f} s")
    if outcome.kind != "failed" and size > BYTES:
        return Outcome("failed", f"took {size / 2**30:.1f} GB")
    return outcome


def fault_of_refusal(error: BaseException) -> str:
    """What keeps an exception from being a refusal of ours in one sentence; empty if nothing does."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {str(error)[:200]!r}"
    if type(error) is not ValueError and not type(error).__module__.startswith("a124core."):  # a kind of ours
        return where
    text = str(error)
    ours = any(folder in Path(last.filename).relative_to(ROOT).parts for folder in OURS) if _inside(last) else False
    one_sentence = text.endswith((".", "!", "?")) and len(text.splitlines()) == 1 and len(text) <= MAX_SENTENCE
    return "" if ours and one_sentence else f"no sentence of ours: {where}"


def _inside(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(ROOT) and ".venv" not in Path(frame.filename).relative_to(ROOT).parts


def fault_of(result: Any) -> str:
    """What is wrong with an accepted result: a number in it that is not finite; empty if nothing is."""
    if isinstance(result, torch.Tensor):
        dense = result.detach()
        return "" if not dense.is_floating_point() or bool(dense.isfinite().all()) else "a tensor that is not finite"
    if isinstance(result, np.ndarray):
        return "" if result.dtype.kind not in "fc" or bool(np.isfinite(result).all()) else "an array that is not finite"
    if isinstance(result, bool) or not isinstance(result, numbers.Real):
        return next(filter(None, map(fault_of, _parts(result))), "")
    return "" if math.isfinite(result) else f"the number {result}"


def _parts(result: Any) -> list[Any]:
    if dataclasses.is_dataclass(result) and not isinstance(result, type):
        return [getattr(result, field.name) for field in dataclasses.fields(result)]
    if isinstance(result, Mapping):
        return list(result.values())
    return list(result) if isinstance(result, (list, tuple)) else []


class TooSlow(BaseException):
    """A reader was interrupted; no reader catches this."""


@contextmanager
def _alarm() -> Iterator[None]:
    """Interrupt Python code that runs for too long, and end the process where a library cannot be interrupted."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(signum: int, frame: object) -> None:
        raise TooSlow(f"still running after {PATIENCE * SECONDS:.0f} s")

    earlier = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * SECONDS)
    faulthandler.dump_traceback_later(HANG, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, earlier)


def _reset_peak() -> int:
    """Let the peak of resident memory begin anew; return it in bytes (0 where the system does not tell)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return 0
    return _peak()


def _peak() -> int:
    """Return the peak of resident memory in bytes; 0 where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def measures_memory() -> bool:
    """Return whether this system tells a peak of memory that can begin anew; some sandboxes do not."""
    before = _reset_peak()
    torch.ones(2**24)  # 64 MB, freed at once
    return _peak() - before > 2**25


def run_parser(parser: Parser, cases: int, seed: int, keep: Path | None = None) -> tuple[Counter, list[str]]:
    """Try so many files; return counts by kind, and a line for each failure. Files of failures are kept."""
    counts, failures = Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(cases):
            suffix, data = case(parser, seed, number)
            path = Path(folder) / f"case{suffix}"
            path.write_bytes(data)
            outcome = try_file(parser, path)
            counts[outcome.kind] += 1
            if outcome.kind == "failed":
                failures.append(f"{parser.name} {number}: {outcome.reason}")
                if keep is not None:
                    kept = keep / f"{parser.name.replace(' ', '_')}.{seed}.{number}{suffix}"
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    kept.write_bytes(data)
            path.unlink()
    return counts, failures


def instrumented_parsers() -> dict[str, Parser]:
    """All parsers, with this program's code as atheris changes it while it is imported."""
    with importlib.import_module("atheris").instrument_imports(include=["a124core"]):
        return load_parsers()


def coverage_guided(parser: Parser, cases: int, seed: int, keep: Path) -> int:
    """Let atheris change files of one parser for as long as new code is reached; the first failure ends it."""
    atheris = importlib.import_module("atheris")
    corpus, work = keep / f"corpus-{parser.name.replace(' ', '_')}", Path(tempfile.mkdtemp())
    corpus.mkdir(parents=True, exist_ok=True)
    suffix = ""
    for number in range(cases):
        suffix, data = case(parser, seed, number)
        (corpus / f"{seed}-{number}").write_bytes(data)

    def one(data: bytes) -> None:
        path = work / f"case{suffix}"
        path.write_bytes(data)
        outcome = try_file(parser, path)
        if outcome.kind == "failed":
            raise AssertionError(outcome.reason)

    atheris.Setup([sys.argv[0], f"-seed={seed}", f"-artifact_prefix={keep}/", *RUNS, str(corpus)], one)
    atheris.Fuzz()
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Print a table of all parsers named (else all), and each failure."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("parsers", nargs="*", help="their names, or beginnings of them; all without")
    p.add_argument("-n", "--cases", type=int, default=CASES, help="files of each parser (%(default)s)")
    p.add_argument("--seed", type=int, help="another set of files; by chance without, and printed")
    p.add_argument("--coverage", action="store_true", help="let atheris, where it is installed, guide one parser by "
                   "the code that its files reach, until Ctrl-C")
    p.add_argument("--keep", type=Path, default=KEEP, help="folder for the files of failures (%(default)s)")
    options = p.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    parsers = instrumented_parsers() if options.coverage else load_parsers()
    chosen = [q for q in parsers.values() if not options.parsers or q.name.startswith(tuple(options.parsers))]
    torch.set_num_threads(1)
    if options.coverage:
        return coverage_guided(chosen[0], min(options.cases, CORPUS), seed, options.keep)
    print(f"seed {seed}, {options.cases} files of each parser\n{'parser':24} good refused failed seconds", flush=True)
    failed = 0
    for parser in chosen:
        start = time.perf_counter()
        counts, failures = run_parser(parser, options.cases, seed, options.keep)
        failed += len(failures)
        seconds = time.perf_counter() - start
        numbers_ = f"{counts['good']:4} {counts['refused']:7} {counts['failed']:6} {seconds:7.0f}"
        print(f"{parser.name:24} {numbers_}", *failures[:PRINTED], sep="\n    ", flush=True)
    print(f"{failed} failures of {options.cases * len(chosen)} files")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
