"""Kill, cancel and fill the queue of a real ComfyUI while the optimizers run: nothing may be damaged, lost or mixed up.

`COMFYUI_PATH=folder COMFYUI_PYTHON=its/python python -m tools.soak_host`; `--kills 0` leaves the kills out, and so on.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from a124core.stages.loop import STAGES
from a124core.utils.temporary import NEW
from tests.host.server import Host
from tools.soak_files import Steps, damaged_files, leftover_bytes, list_files, lost_seconds
from tools.soak_memory import Growth, Sample
from tools.soak_trial import INTERVAL, PATIENCE, Trial, workflow

LONGEST = 6.0  # seconds from queueing to a kill
SAVES = 6  # a kill inside a save falls into one of so many
PAUSE = 1.0  # seconds from the first step to a cancel, and between two deletions: the most
LONGER = 2  # times the steps, so that most cancels fall into one run
Say = Callable[[str], None]


def kills(trial: Trial, count: int, say: Say) -> str:
    """Kill the host at any time or inside a save, start it and queue the same prompt again."""
    done, finished, lost, leftovers = [0, 0], 0, [0.0], 0
    with trial.host() as host:
        whole = trial.undisturbed(host, 0)
    while sum(done) < count:
        inside = sum(done) % 2
        with trial.host() as host:
            host.queue(workflow(0))
            killed = kill(trial, host, trial.rng.uniform(0.0, LONGEST), trial.rng.randint(1, SAVES) if inside else 0)
        rows = trial.rows()
        trial.faults += damaged_files(trial.output)
        if not killed:
            finished += 1
            trial.compare(f"run {finished} after {sum(done)} kills", trial.saved_field(0), whole)
            shutil.rmtree(trial.output / "snapshots")
            continue
        done[inside] += 1
        leftovers = max(leftovers, leftover_bytes(trial.output))
        lost.append(lost_seconds(Steps(None, rows, killed), trial.saved_step()))
        times = [*(at for _, _, at in rows), killed]
        allowed = INTERVAL + 2.0 * max((b - a for a, b in itertools.pairwise(times)), default=0.0)
        if lost[-1] > allowed:
            trial.faults.append(f"kill {sum(done)}: {lost[-1]:.2f} s of work lost, allowed were {allowed:.2f} s")
        say(f"{sum(done)} kills, {finished} runs finished, {lost[-1]:.2f} s lost, {leftovers} bytes left over")
    with trial.host() as host:
        host.run(workflow(0), PATIENCE)
    trial.compare("the last run", trial.saved_field(0), whole)
    return (
        f"{sum(done)} kills ({done[0]} at any time, {done[1]} inside a save), {finished + 1} runs finished; at most "
        f"{max(lost):.2f} s of work lost at once (saved every {INTERVAL:g} s, and after the step), "
        f"{leftovers / 1e6:.2f} MB of temporary files"
    )


def kill(trial: Trial, host: Host, delay: float, save: int) -> float | None:
    """Kill the host so many seconds from now, or in the n-th save; return when, or None if the workflow was faster."""
    began, saves = time.monotonic(), set()
    result = trial.output / "seed-0_00001_.safetensors"
    while not result.is_file():
        saves |= {path.name for path in list_files(trial.output, f"snapshots/*/{NEW}*")}
        if len(saves) >= save if save else time.monotonic() - began >= delay:
            host.process.kill()
            return time.monotonic()
        if time.monotonic() - began > PATIENCE or host.process.poll() is not None:
            raise RuntimeError(f"the host did not finish its prompt:\n{host.tail()}")
        time.sleep(0.0005)
    return None


def cancels(trial: Trial, count: int, say: Say) -> str:
    """Cancel the same prompt again and again and queue it anew."""
    prompt, waits, finished = workflow(0, LONGER), [], 0
    with trial.host() as host:
        whole = trial.undisturbed(host, 0, LONGER)
        while len(waits) < count:
            trial.rows()
            prompt_id = host.queue(prompt)
            while trial.steps.stat().st_size == 0 and not host.get(f"/history/{prompt_id}"):
                time.sleep(0.01)
            time.sleep(trial.rng.uniform(0.0, PAUSE))
            pressed = time.monotonic()
            host.post("/interrupt", {})
            status = host.wait(prompt_id, PATIENCE, every=0.005)["status"]["status_str"]
            waited, rows = time.monotonic() - pressed, trial.rows()
            if status == "success":  # faster than the cancel
                finished += 1
                trial.compare(f"run {finished} after {len(waits)} cancels", trial.saved_field(0), whole)
                trial.forget(host)
                continue
            waits.append(waited)
            if trial.saved_step(LONGER) < max((STAGES.index(stage), step) for stage, step, _ in rows):
                trial.faults.append(f"cancel {len(waits)}: the last step was not kept")
            say(f"{len(waits)} cancels, {waits[-1]:.2f} s")
        trial.faults += damaged_files(trial.output)
        host.run(prompt, PATIENCE)
        trial.compare("the run after all cancels", trial.saved_field(0), whole)
    return (
        f"{count} cancels, {finished + 1} runs finished; a cancel took effect after {statistics.median(waits):.2f} s "
        f"(median), {max(waits):.2f} s at most"
    )


def deletions(trial: Trial, count: int, say: Say) -> str:
    """Queue prompts of different seeds, and delete two of five of them while the first ones run."""
    with trial.host() as host:
        ids = {seed: host.queue(workflow(seed)) for seed in range(count)}
        for seed in sorted(trial.rng.sample(range(count // 3, count), count * 2 // 5), reverse=True):
            time.sleep(trial.rng.uniform(0.0, PAUSE))
            host.post("/queue", {"delete": [ids[seed]]})
            queue = host.get("/queue")
            left = {item[1] for part in ("queue_running", "queue_pending") for item in queue[part]}
            if ids[seed] not in left and not host.get(f"/history/{ids[seed]}"):
                del ids[seed]
                say(f"the prompt of seed {seed} was deleted")
        for seed, prompt_id in ids.items():
            status = host.wait(prompt_id, PATIENCE)["status"]["status_str"]
            trial.faults += [] if status == "success" else [f"the prompt of seed {seed} ended with {status}"]
        ran = len(list(trial.output.glob("snapshots/static-*/")))
        saved = {seed: digest for seed in range(count) if (digest := trial.saved_field(seed)) is not None}
        trial.faults += damaged_files(trial.output)
    if set(saved) != set(ids) or ran != len(ids) or len(set(saved.values())) != len(ids):
        trial.faults.append(f"{sorted(ids)} were to run, {sorted(saved)} were saved, {ran} ran")
    return f"{count} prompts queued, {count - len(ids)} deleted while others ran, {len(saved)} finished"


def memory(trial: Trial, count: int, say: Say) -> str:
    """Run prompts of different seeds one after another in one host, which must not grow."""
    growth = Growth()
    with trial.host("--cache-classic") as host:  # else it keeps all earlier results
        for seed in range(count):
            host.run(workflow(seed), PATIENCE)
            trial.saved_field(seed)
            growth.samples.append(Sample.taken(psutil.Process(host.process.pid)))
            say(growth.line(seed))
    trial.faults += growth.faults()
    return f"{count} runs in one host:\n{growth.table()}"


PARTS = {"kills": (kills, 100), "cancels": (cancels, 50), "queue": (deletions, 10), "memory": (memory, 20)}


def main() -> int:
    """Print what each part observed; 1 if anything was damaged, lost, different or grew."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak_host", description=__doc__)
    for name, (_, count) in PARTS.items():
        parser.add_argument(f"--{name}", type=int, default=count, help="how many; 0: none")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=Path("output/soak-host"))
    options = parser.parse_args()
    lines, faults = [], []
    for name, (part, _) in PARTS.items():
        if not (count := getattr(options, name)):
            continue
        trial = Trial(Path(os.environ["COMFYUI_PATH"]), (options.out / name).absolute(), options.seed)
        began = time.monotonic()
        lines.append(f"{part(trial, count, lambda line: print(line, flush=True))}; {time.monotonic() - began:.0f} s")
        faults += trial.faults
        print(lines[-1], *trial.faults, sep="\n", flush=True)
    print("", *lines, f"{len(faults)} faults", *faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
