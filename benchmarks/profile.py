"""The operations of one step, by their own time, as text:

    python -m benchmarks.profile --stage static|coarse|fine [--preset demo] [--device cuda] [--out FILE]

Built-in priors, and a field past its first fog. Steps before the one that is looked at warm up."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from a124core.cli.machine import machine, versions
from a124core.priors.builtin import RequestedMotion, example_image, make_priors
from a124core.protocols import Run, Step
from a124core.reference.reference import make_reference
from a124core.stages.loop import STAGES
from a124core.stages.optimise import initial_field, optimise
from a124core.stages.presets import PRESETS, preset
from a124core.utils.device import best_device, keep_freed_pages, synchronize
from a124core.utils.files import atomic_write

from .measure import all_kernels

WARM_UP = 5  # steps
ROWS = 20  # operations shown


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    text = shown(args, profiled(args))
    if args.out:
        with atomic_write(args.out) as file:
            file.write_text(text, encoding="utf-8")
    print(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--stage", choices=STAGES, required=True)
    parser.add_argument("--preset", choices=[p for p in PRESETS if p != "auto"], default="demo")
    parser.add_argument("--grow", type=int, default=60, help="static steps before, so that fog is gone")
    parser.add_argument("--device", default=str(best_device()))
    parser.add_argument("--out", type=Path, help="file to write")
    return parser.parse_args()


def profiled(args: argparse.Namespace) -> Any:
    """The profile of the first step after the warm-up that looks at what priors judge."""
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (torch.device(args.device).type == "cuda")
    record = profile(activities=kinds)

    def watch(step: Step) -> None:
        synchronize(args.device)
        if step.step == WARM_UP:
            record.start()
        elif step.step == WARM_UP + 1:
            record.stop()

    _run(args, watch)
    return record


def _run(args: argparse.Namespace, watch: Any) -> None:
    settings = preset(args.preset)
    picture, mask = example_image("robot")
    reference = make_reference(picture, mask, mask_marks="subject")
    size = settings.static.render.size
    guidances = make_priors(reference, "a robot is swaying", RequestedMotion("sway"), size, subject="robot").guidances
    steps = max(args.grow, WARM_UP) + 1  # 61: as released, every fourth step is a reference step
    static = replace(settings.static, steps=steps, masked_levels=0, reference_first=0)
    start = initial_field("static", None, settings.field, static, 0)
    on_step = _last(watch, steps) if args.stage == "static" else None
    grown = optimise("static", start, reference, guidances, static, Run(0, args.device, on_step))
    if args.stage == "static":
        return
    config = replace(getattr(settings, args.stage), steps=WARM_UP + 1, reference_first=0)
    moving = initial_field(args.stage, grown, settings.field, config, 0)
    optimise(args.stage, moving, reference, guidances, config, Run(0, args.device, watch))


def _last(watch: Any, steps: int) -> Any:
    """The last steps of a longer run, counted as if they were all."""
    return lambda step: watch(replace(step, step=step.step - steps + WARM_UP + 1))


def shown(args: argparse.Namespace, record: Any) -> str:
    """Where and how, then the operations with most time of their own."""
    rows = record.key_averages()
    order = "self_device_time_total" if torch.device(args.device).type == "cuda" else "self_cpu_time_total"
    found = sorted(((getattr(row, order), row.count, row.key) for row in rows), reverse=True)
    whole, calls = sum(spent for spent, *_ in found), sum(count for _, count, _ in found)
    told = ", ".join(f"{name} {number}" for name, number in versions().items())
    kernels = all_kernels(args.device)[-1]
    lines = [
        f"One step of the {args.stage} stage, preset {args.preset}, on {args.device}, kernels: {kernels}",
        f"command: {shlex.join(['python', '-m', 'benchmarks.profile', *sys.argv[1:]])}",
        f"machine: {machine()}",
        f"versions: {told}",
        f"{calls} operations of {len(found)} kinds, {whole / 1e3:.1f} ms of their own time (with the profiler's)",
        "",
        f"{'own time':>12}{'share':>8}{'calls':>8}  operation",
    ]
    for spent, count, name in found[:ROWS]:
        lines.append(f"{spent / 1e3:>9.2f} ms{100 * spent / max(whole, 1e-9):>6.1f} %{count:>8}  {name}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
