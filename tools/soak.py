"""Kill runs of the command line with SIGKILL again and again and resume them: nothing may be damaged or lost.

A third of the kills falls at any time, a third inside a save, a third while results are published. Every run that comes
to its end is compared with one that was never killed, bit for bit. `python -m tools.soak --kills 100`; Linux and macOS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("A124_KERNELS", "torch")  # a process that was forked compiles nothing

import torch

from a124core.cli import outputs, prepare, progress, run
from a124core.cli.folder import RunFolder
from a124core.cli.main import main as command
from a124core.evaluation import evaluate
from a124core.export.checkpoint import load_field
from a124core.protocols import Step
from a124core.runs.monitor import Intervals
from a124core.stages.config import StageConfig
from a124core.stages.loop import STAGES
from a124core.stages.presets import preset
from a124core.utils.temporary import NEW
from tools.soak_files import Steps, damaged_files, leftover_bytes, list_files, lost_seconds

INTERVAL = 0.25  # seconds between two saves of these short runs
KINDS = ("at any time", "inside a save", "while publishing")
MOVE = 0.005  # seconds that every move of a file waits
LONGEST = 5.0  # seconds until a kill at any time
STEPS = {"static": 40, "coarse": 20, "fine": 20}
PATIENCE = 1800.0  # seconds for one run; longer is a hang


@dataclass
class Soak:
    """What was observed."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    finished: int = 0
    damaged: list[str] = field(default_factory=list)  # files that cannot be read after a kill
    different: list[str] = field(default_factory=list)  # results that differ from those of the undisturbed run
    lost: float = 0.0  # seconds of work: the most that one kill took
    leftovers: int = 0  # bytes of temporary files: the most that lay there at once


def soak(out: Path, kills: int, seed: int, say: Callable[[str], None]) -> Soak:
    """Kill and resume until there were this many kills."""
    torch.set_num_threads(1)  # children are forked: no pool of threads may be there
    rng, outcome = random.Random(seed), Soak()
    whole, parts = out / "whole", out / "parts"
    for folder in (whole, parts):
        shutil.rmtree(folder, ignore_errors=True)
    if watch(whole, [], lambda elapsed: False).code != 0:
        raise RuntimeError("the undisturbed run failed.")
    while sum(outcome.kills.values()) < kills:
        kind = KINDS[sum(outcome.kills.values()) % len(KINDS)]
        delay = rng.uniform(0.0, LONGEST if kind == KINDS[0] else 0.02)
        steps = watch(parts, _resume(parts), killing(kind, parts, delay))
        if steps.code is None:
            outcome.kills[kind] += 1
            inspect(parts, steps, outcome)
        elif steps.code == 0:
            outcome.finished += 1
            compare(whole, parts, outcome)
            shutil.rmtree(parts)
        else:
            raise RuntimeError(f"a run ended with {steps.code} after {sum(outcome.kills.values())} kills in {parts}.")
        say(f"{sum(outcome.kills.values())} kills, {outcome.finished} runs finished")
    if watch(parts, _resume(parts), lambda elapsed: False).code != 0:
        raise RuntimeError(f"the last run in {parts} failed.")
    outcome.finished += 1
    compare(whole, parts, outcome)
    return outcome


def _resume(out: Path) -> list[str]:
    return ["--resume"] if (out / "unfinished" / "run.json").is_file() else []


def killing(kind: str, out: Path, delay: float) -> Callable[[float], bool]:
    """Return whether it is time to kill, asked with the seconds since the start."""
    since: list[float] = []

    def due(elapsed: float) -> bool:
        if kind == KINDS[0]:
            return elapsed >= delay
        here = _saving(out) if kind == KINDS[1] else _publishing(out)
        if here and not since:
            since.append(elapsed)
        return bool(since) and elapsed >= since[0] + (delay if kind == KINDS[2] else delay / 10.0)

    return due


def _saving(out: Path) -> bool:
    """Return whether tensors are being written: safetensors begins with a file of its own, without a suffix."""
    return any(path.suffix in ("", ".safetensors") for path in list_files(out, f"unfinished/{NEW}*/*"))


def _publishing(out: Path) -> bool:
    """Return whether results have begun to appear outside the folder of the unfinished run."""
    return (out / "unfinished").is_dir() and any(p.is_file() for p in list_files(out, "*.*") if p.name[0] != ".")


def watch(out: Path, more: list[str], due: Callable[[float], bool]) -> Steps:
    """Run the command in a process of its own, and kill it when it is due."""
    reader, writer = os.pipe()
    began = time.monotonic()
    process = get_context("fork").Process(target=_child, args=(out, more, writer))
    process.start()
    os.close(writer)
    while process.is_alive() and not due(time.monotonic() - began):
        time.sleep(0.0005)
        if time.monotonic() - began > PATIENCE:
            process.kill()
            raise RuntimeError(f"a run in {out} hung for {PATIENCE:g} s.")
    process.kill()
    ended = time.monotonic()
    process.join()
    with open(reader, encoding="utf-8") as lines:
        rows = [(stage, int(step), float(at)) for stage, step, at in map(str.split, lines)]
    return Steps(None if process.exitcode == -signal.SIGKILL else process.exitcode, rows, ended)


def _child(out: Path, more: list[str], writer: int) -> None:
    """Run the command on a small scene, with its output in a file and its steps in the pipe."""
    make_small()
    make_slow()
    follow = progress.TerminalProgress.on_step

    def on_step(self: progress.TerminalProgress, step: Step) -> None:
        os.write(writer, f"{step.stage} {step.step} {time.monotonic()}\n".encode())
        follow(self, step)

    progress.TerminalProgress.on_step = on_step
    with open(out.with_name(f"{out.name}.log"), "a", encoding="utf-8") as log, redirect_stdout(log):
        with redirect_stderr(log):
            code = command(["demo", "--subject", "duck", "--motion", "jump", "--out", str(out), "--quiet", *more])
    os._exit(code)  # no clean-up of the parent's


def make_small() -> None:
    """Cut the preset, the comparison and the films down to seconds, and save often."""
    full = preset("demo")
    changes = {"size": 24, "reference_size": 24, "samples": 32, "occupancy_size": 16, "occupancy_slices": 2}

    def cut(name: str) -> StageConfig:
        config = getattr(full, name)
        return replace(config, steps=STEPS[name], render=replace(config.render, **changes))

    grid = replace(full.field, time_grids=4, levels=4, base_resolution=4, max_resolution=32, log2_hashmap_size=12)
    small = replace(full, field=grid, **{name: cut(name) for name in STAGES})
    prepare.preset = lambda name: small
    run.INTERVALS = Intervals(INTERVAL, INTERVAL, 1.0, 1e18, preview=INTERVAL)
    evaluate.LARGE, evaluate.TIMES, evaluate.PATH_TIMES, evaluate.PATH_SIZE = 24, 2, 3, 24
    outputs.FILM_FRAMES, outputs.FILM_SIZE, outputs.SHEET_SIZE, outputs.TIMES_CLIPS = 4, 32, 24, 20


def make_slow() -> None:
    """Let every move of a file wait, as on a slow disk: else publishing is over before a kill can fall into it."""
    move = os.replace

    def replace_later(source: Path, target: Path) -> None:
        time.sleep(MOVE)
        move(source, target)

    os.replace = replace_later


def inspect(out: Path, steps: Steps, outcome: Soak) -> None:
    """Read all files that a killed run left, and count what it lost."""
    outcome.damaged += damaged_files(out)
    outcome.leftovers = max(outcome.leftovers, leftover_bytes(out))
    outcome.lost = max(outcome.lost, lost_seconds(steps, _saved_step(RunFolder(out))))


def _saved_step(folder: RunFolder) -> tuple[int, int]:
    """Return the stage's number and the step that a resume continues from."""
    finished = [k for k, stage in enumerate(STAGES) if (folder.work / f"{stage}.safetensors").is_file()]
    newest = folder.store.newest()
    saved = [(k, STEPS[STAGES[k]]) for k in finished]
    return max([*saved, (0, 0), *([] if newest is None else [(STAGES.index(newest.stage), newest.step)])])


def compare(whole: Path, parts: Path, outcome: Soak) -> None:
    """Compare field, losses and names of files with those of the run that was never killed."""
    fields = [load_field(folder / "field.safetensors") for folder in (whole, parts)]
    losses = [json.loads((folder / "losses.json").read_bytes()) for folder in (whole, parts)]
    names = [sorted(path.name for path in folder.iterdir()) for folder in (whole, parts)]
    same = torch.equal(fields[0].table, fields[1].table) and all(
        torch.equal(value, fields[1].mlp[name]) for name, value in fields[0].mlp.items()
    )
    for name, equal in (("field", same), ("losses", losses[0] == losses[1]), ("files", names[0] == names[1])):
        if not equal:
            outcome.different.append(f"{name} of run {outcome.finished}")


def main() -> int:
    """Print what was observed; 1 if anything was damaged, lost or different."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=Path("output/soak"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    outcome = soak(options.out, options.kills, options.seed, lambda line: print(line, flush=True))
    kinds = ", ".join(f"{count} {kind}" for kind, count in outcome.kills.items())
    print(
        f"{sum(outcome.kills.values())} kills ({kinds}), {outcome.finished} runs finished, {len(outcome.damaged)} "
        f"files damaged, {len(outcome.different)} results different; at most {outcome.lost:.2f} s of work lost at "
        f"once (saved every {INTERVAL:g} s), {outcome.leftovers / 1e6:.2f} MB of temporary files; seed "
        f"{options.seed}, {time.monotonic() - began:.0f} s."
    )
    print(*outcome.damaged, *outcome.different, sep="\n")
    return 1 if outcome.damaged or outcome.different else 0


if __name__ == "__main__":
    sys.exit(main())
