"""Whether a change of the code left every result as it was: a hash for each field and each export.

    python -m tools.result_hashes --out FOLDER --json FILE [--repo PATH] [--long]    run everything there and hash it
    python -m tools.result_hashes --compare-json A B                        which hashes differ; 1 if a field's does
    python -m tools.result_hashes --compare A B                             by how much the files of two --out differ

Nothing of the code is imported: only its command line is used, as a program of its own, so files may move and names
may change between two runs. A field's hash is that of its tensors alone, whatever they are called and whatever the
file's header says. One thread and one kernel backend each; the files of fields are not kept, those of exports are.

The steps are few, and so are the moments, pixels and faces of exports. A stage's schedules are walked through whole,
for they go by its share of steps; draft gets beyond the first steps, which look at the picture alone. The command line
has no word for a preset's sizes, so released and paper make one step of each stage, and with --long only: it takes
minutes, for before the first step the whole space is asked at 16 moments what is empty. In it, released's static stage
looks at the picture alone, and paper's at all sides.

What differs from run to run has no part in hashes: a report's seconds, memory, machine and versions, and the random
numbers by which a WebM names its tracks.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .result_bytes import file_hash, tensors_hash
from .result_numbers import Difference, compared

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("static", "coarse", "fine")
IMAGE, SIDE = "picture.png", 192
FIELD, RESULTS = "field.safetensors", "demo"
LOOK = 0.2  # seconds between two looks whether a stage is done

OWN = ("animate", "--prompt", "a toy waves", "--motion", "wave", "--image")  # the picture's path follows
SMALL = ("--frames", "4", "--size", "64", "--resolution", "48", "--faces", "2000", "--views", "6")


@dataclass(frozen=True)
class Run:
    """A run of the pipeline whose fields are hashed."""

    name: str
    arguments: tuple[str, ...]
    kernels: str = "torch"
    stages: tuple[str, ...] = STAGES
    whole: bool = False  # also wait for its films and figures, and keep them; exports are made of its field
    long: bool = False


@dataclass(frozen=True)
class Export:
    """Files made of the demo's field."""

    name: str  # of the file or folder
    arguments: tuple[str, ...]  # the field's path comes after the first


DEMO = ("demo", "--steps-scale", "0.1")
DRAFT = (*OWN, IMAGE, "--preset", "draft", "--steps-scale", "0.0225")
STILL = ("--skip", "coarse", "--skip", "fine")
OTHERWISE = ("--no-view-prior", "--refine", "upscale", "--sampling", "never-zero", "--reference-mode", "released",
             "--condition", "current render")
ONE_STEP = ("--steps-scale", "0.0001")
RUNS = (
    Run("demo", DEMO, whole=True),
    Run("demo-numba", DEMO, "numba"),
    Run("demo-otherwise", (*OWN, IMAGE, "--preset", "demo", "--steps-scale", "0.02", *OTHERWISE)),
    Run("draft-in-pieces", (*DRAFT, "--reference-mode", "paper", "--memory", "low", *STILL), stages=("static",)),
    Run("draft-numba", DRAFT, "numba"),
    Run("released-numba", (*OWN, IMAGE, "--preset", "released", *ONE_STEP), "numba", long=True),
    Run("paper-numba", (*OWN, IMAGE, "--preset", "paper", *ONE_STEP), "numba", long=True),
)
EXPORTS = (
    Export("all", ("export", "--format", "all", *SMALL)),
    Export("textured.glb", ("export", *SMALL, "--texture", "128", "--quantise")),
    Export("still.glb", ("export", *SMALL, "--time", "0.5")),
    Export("scene.usda", ("export", *SMALL)),
    Export("two_eyes.mp4", ("render", "--frames", "4", "--size", "64", "--eyes", "0.06")),
    Export("there_and_back.gif", ("render", "--frames", "6", "--size", "80x48", "--ping-pong", "--cameras", "still")),
    Export("frozen", ("render", "--frames", "2", "--size", "48", "--time", "0.3", "--elevation", "20", "--turns", "2")),
)
Hashes = dict[str, dict[str, str]]  # "fields", "exports": name -> hash


class Failed(RuntimeError):
    """A run of the command line that did not end well."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    if options.compare_json:
        return print_hashes(*(json.loads(Path(file).read_text(encoding="utf-8")) for file in options.compare_json))
    if options.compare:
        return print_differences(compared(*options.compare))
    if options.out is None:
        raise SystemExit("say with --out where the exports go")
    start = time.monotonic()
    runs = [run for run in RUNS if (run.name in options.only if options.only else options.long or not run.long)]
    hashes = everything(Program(options.repo.resolve(), options.out.resolve(), options.python), runs, options.json)
    print(table(hashes))
    print(f"\n{(time.monotonic() - start) / 60:.1f} minutes.")
    return 0


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m tools.result_hashes", description=__doc__.partition("\n")[0])
    p.add_argument("--repo", type=Path, default=ROOT, help="whose code is run (this one's)")
    p.add_argument("--python", default=sys.executable, help="what runs it (%(default)s)")
    p.add_argument("--out", type=Path, help="an empty or new folder for the exports")
    p.add_argument("--json", type=Path, help="also write the hashes to this file")
    p.add_argument("--long", action="store_true", help="released and paper too")
    p.add_argument("--only", nargs="+", default=[], choices=[run.name for run in RUNS], metavar="NAME",
                   help="these runs alone, of %(choices)s; exports go with demo")
    p.add_argument("--compare", nargs=2, type=Path, metavar="FOLDER", help="largest differences of two --out folders")
    p.add_argument("--compare-json", nargs=2, metavar="FILE", help="differences of two --json files")
    return p


def everything(program: Program, runs: Sequence[Run], file: Path | None = None) -> Hashes:
    """The fields of all runs, and every export of the demo's field; file has what is known so far after each."""
    program.out.mkdir(parents=True, exist_ok=True)
    if any(program.out.iterdir()):
        raise SystemExit(f"{program.out} is not empty: choose another folder.")
    write_image(program.out / IMAGE)
    hashes: Hashes = {"fields": {}, "exports": {}}
    for run in runs:
        hashes["fields"] |= program.fields(run)
        if run.whole:
            for export in EXPORTS:
                program.export(export)
            hashes["exports"] = {name: file_hash(path) for name, path in items(program.out)}
        if file is not None:
            file.write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
    return hashes


@dataclass(frozen=True)
class Program:
    """The command line of one copy of the code."""

    repo: Path
    out: Path
    python: str

    def fields(self, run: Run) -> dict[str, str]:
        """Run and stage -> hash. A field is hashed when its stage is done: the files go when the run is complete."""
        start, folder = time.monotonic(), self.out / (RESULTS if run.whole else "run")
        arguments = [str(self.out / IMAGE) if word == IMAGE else word for word in run.arguments]
        hashes: dict[str, str] = {}
        with self._begun([*arguments, "--quiet", "--out", str(folder)], run.kernels) as process:
            while process.poll() is None and (run.whole or len(hashes) < len(run.stages)):
                time.sleep(LOOK)
                hashes |= finished(folder, set(run.stages) - set(hashes))
            if process.poll() is None:
                process.terminate()  # every field is there: what would follow are films and figures
            elif process.returncode:
                raise Failed(f"{run.name} ended with {process.returncode}; see {self._log}")
        if (folder / FIELD).is_file():
            hashes[run.stages[-1]] = tensors_hash(folder / FIELD)
        if set(hashes) != set(run.stages):
            raise Failed(f"{run.name}: no field was seen of {sorted(set(run.stages) - set(hashes))}; see {self._log}")
        if not run.whole:
            drop(folder)
        announce(f"{run.name}: {time.monotonic() - start:.0f} s")
        return {f"{run.name}: {stage}": hashes[stage] for stage in run.stages}

    def export(self, export: Export) -> None:
        start = time.monotonic()
        verb, *arguments = export.arguments
        target = self.out / "exports" / export.name
        with self._begun([verb, str(self.out / RESULTS / FIELD), *arguments, "--out", str(target)], "torch") as process:
            if process.wait():
                raise Failed(f"{export.name} ended with {process.returncode}; see {self._log}")
        announce(f"{export.name}: {time.monotonic() - start:.0f} s")

    @property
    def _log(self) -> Path:
        return self.out / "log.txt"

    def _begun(self, arguments: Sequence[str], kernels: str) -> subprocess.Popen:
        with open(self._log, "a", encoding="utf-8") as log:
            return subprocess.Popen(
                [self.python, "-m", "a124core", *arguments], cwd=self.repo, env=environment(kernels), stdout=log,
                stderr=subprocess.STDOUT,
            )


def environment(kernels: str) -> dict[str, str]:
    """The same for every run: one thread, one backend, nothing that a shell has set before."""
    own = ("A124_", "TRITON_", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return {**inherited, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "A124_KERNELS": kernels, "PYTHONHASHSEED": "0"}


def finished(folder: Path, stages: Iterable[str]) -> dict[str, str]:
    """Hashes of those stages whose field is there. The files appear complete."""
    files = {file.stem: file for file in folder.rglob("*.safetensors")} if folder.is_dir() else {}
    hashes = {}
    for stage in stages:
        try:
            hashes |= {stage: tensors_hash(files[stage])} if stage in files else {}
        except FileNotFoundError:  # moved since
            continue
    return hashes


def items(out: Path) -> Iterator[tuple[str, Path]]:
    """What gets a hash of its own: each result of the demo, each export, each of `all`."""
    for folder in (out / RESULTS, out / "exports", out / "exports" / "all"):
        for path in sorted(folder.iterdir()):
            if path.name != "all":
                yield path.relative_to(out).as_posix().removeprefix("exports/"), path


def write_image(path: Path) -> None:
    """A toy on plain white, soft at its edges, as PNG: a body, a head, an arm to each side."""
    shapes = ((0.5, 0.63, 0.2, 0.24, (200, 60, 40)), (0.5, 0.3, 0.15, 0.15, (240, 200, 60)),
              (0.24, 0.55, 0.13, 0.05, (40, 80, 200)), (0.76, 0.55, 0.13, 0.05, (40, 160, 80)))
    rows = []
    for y in range(SIDE):
        row = bytearray([0])  # PNG: this row is not filtered
        for x in range(SIDE):
            colour = [255.0] * 3
            for centre_x, centre_y, wide, high, inside in shapes:
                away = math.hypot(((x + 0.5) / SIDE - centre_x) / wide, ((y + 0.5) / SIDE - centre_y) / high)
                cover = min(max((1.0 - away) * 12.0 + 0.5, 0.0), 1.0)
                colour = [old + cover * (new - old) for old, new in zip(colour, inside, strict=True)]
            row += bytes(round(value) for value in colour)
        rows.append(bytes(row))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(b"".join(rows))),
              (b"IEND", b""))
    parts = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
             for kind, data in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def drop(folder: Path) -> None:
    """A run's folder goes: fields of 64 time grids are large."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def announce(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def table(results: Hashes) -> str:
    """Markdown: what, and its hash."""
    lines = ["| what | sha256 |", "|---|---|"]
    for kind, hashes in results.items():
        lines += [f"| {kind[:-1]} {name} | {value} |" for name, value in hashes.items()]
    return "\n".join(lines)


def print_hashes(a: Hashes, b: Hashes) -> int:
    """Print what differs between two runs of everything; 1 if a field does. What only one has run is named."""
    different = {}
    for kind in ("fields", "exports"):
        both = [name for name in a[kind] if name in b[kind]]
        different[kind] = [name for name in both if a[kind][name] != b[kind][name]]
        for name in different[kind]:
            print(f"{kind[:-1]} {name}: {a[kind][name]} and {b[kind][name]}")
        for name in sorted({*a[kind]} ^ {*b[kind]}):
            print(f"{kind[:-1]} {name}: only in the {'first' if name in a[kind] else 'second'}")
        print(f"{kind}: {len(both) - len(different[kind])} of {len(both)} are the same.")
    return int(bool(different["fields"]))


def print_differences(differences: Sequence[Difference]) -> int:
    """Print the files that differ, as Markdown; 1 if something is missing or cannot be compared."""
    lines = ["| files | differing | largest difference | in |", "|---|---|---|---|"]
    lines += [difference.line() for difference in differences]
    print("\n".join(lines) if differences else "All files are the same.")
    return int(any(difference.largest == math.inf for difference in differences))


if __name__ == "__main__":
    sys.exit(main())
