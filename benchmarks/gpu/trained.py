"""The trained set, learned on the card for as long as there is time, and packed into files of at most 15 MB."""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .program import run_program
from .worker import Job

COMMAND = "tools.tiny_set"
PART, PARTS = 15 * 2**20, 5  # bytes of a file, and files at most
OUTPUT = 3000  # characters of what the training printed that are kept
PACKING = 8.0  # seconds that are left for packing
SNAPSHOT = ".pt"  # the end of a snapshot's name: with Adam's moments, three times as large as its weights


def trained_set(job: Job, until: float) -> Iterator[tuple[str, Any]]:
    """Run the training command where it knows --device; ImportError where it does not."""
    command = [sys.executable, "-m", COMMAND]
    described, code = run_program([*command, "--help"], dict(os.environ), until)
    if code != 0 or "--device" not in described:
        raise ImportError(f"python -m {COMMAND} has no --device")
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        scale = str(job.row.options.get("steps_scale", 1.0))
        arguments = [*command, "--device", job.device, "--out", folder, "--steps-scale", scale]
        output, code = run_program(arguments, dict(os.environ), until - PACKING)
        yield "seconds", time.monotonic() - began
        yield "finished", code == 0
        yield "output", output[-OUTPUT:]
        yield "files", pack(Path(folder), job.out)


def pack(folder: Path, out: Path) -> list[str]:
    """Write the folder as an archive in parts -> their names; snapshots are left out where it would be too large, and
    nothing is written where it still is."""
    sizes = {file: file.stat().st_size for file in sorted(folder.rglob("*")) if file.is_file()}
    if sum(sizes.values()) > PARTS * PART:
        sizes = {file: size for file, size in sizes.items() if file.suffix != SNAPSHOT}
    if not sizes or sum(sizes.values()) > PARTS * PART - 2**20:
        return []
    out.mkdir(parents=True, exist_ok=True)
    names = []
    with tempfile.TemporaryFile() as archive:
        with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as writer:
            for file in sizes:
                writer.add(file, file.relative_to(folder).as_posix())
        archive.seek(0)
        while part := archive.read(PART):
            names.append(f"trained_set.tar.gz.{len(names)}")
            (out / names[-1]).write_bytes(part)
    return names
