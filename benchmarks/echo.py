"""Presets against priors that err as learned ones do: python -m benchmarks.echo

Exact priors become echoes (benchmarks/echo_prior.py): they rest at a gain, which is cfg times what they hear of the
condition, and may look from wrong poses, answer in drifted colours or err anew each time. Every preset runs with its
own ratios, rates and schedules; sizes and steps are cut. A moving stage holds if the front at time 0 is within 0.5 dB
of the static stage's, IoU is not below it and there is motion. Bare pixels are moved first, as a control without a
field. Without options it is the whole bench, which ends with its minutes; --jobs 2 runs two rows side by side.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from dataclasses import replace
from itertools import chain, product, repeat
from multiprocessing import get_context
from pathlib import Path

import torch

from a124core.cli.ablate import begin_worker
from a124core.cli.prepare import PreparedRun
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import EvalSet
from a124core.export.checkpoint import load_field, save_field
from a124core.export.images.sheets import write_png
from a124core.field.config import FieldConfig
from a124core.field.field4d import Field4D
from a124core.stages.loop import STAGES
from a124core.stages.presets import PRESETS, preset
from a124core.utils.files import write_json

from .bare_pixels import HEAD as BARE_HEAD
from .bare_pixels import bare_rows
from .echo_figures import Row, contact_sheet, faults, figures, front_of, table_head, table_line
from .echo_scene import VARIANTS, Setting, at_bench_size, parse_setting, scene_of
from .scores import SCORES

EXP_RATE = 0.05  # of the grid, for the still field of the exact priors; demo's 0.2 is too fast for an exp density
BENCHED = ("demo", "draft", "released", "paper")
SETTINGS = ("exact", "0.6", "1.0", "1.0:pose=8:error=0.3:drift")
Chosen = tuple[str, str, Setting, str]  # scene, preset, priors, variant


def main() -> None:
    args = _arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    rows = list(product(args.scenes, args.presets, args.settings, args.variants))
    with ProcessPoolExecutor(args.jobs, get_context("spawn"), begin_worker, (1,)) as pool:
        controls = pool.map(control, rows, repeat(args))
        print(BARE_HEAD)
        for line in chain.from_iterable(controls):
            print(line, flush=True)
        found = [] if args.no_field else _benched(pool, rows, args)
    minutes = (time.monotonic() - began) / 60.0
    print(f"\n{verdict(found)}{minutes:.0f} minutes, {args.jobs} rows at a time.")
    if found:
        write_record(found, args, minutes)


def _benched(pool: Executor, rows: list[Chosen], args: argparse.Namespace) -> list[Row]:
    """Run all rows with a field, print each as soon as it is there -> their stages."""
    if "static" not in args.stages:  # the files are there before two processes want them
        list(pool.map(make_still, {(r[0], _kind(preset(r[1]).field)): r for r in rows}.values(), repeat(args)))
    print(f"\n{table_head()}", flush=True)
    found: list[Row] = []
    for done in as_completed([pool.submit(benched, row, args) for row in rows]):
        for row in done.result():
            found.append(row)
            print(table_line(row), flush=True)
        write_record(found, args)
    return found


def write_record(rows: list[Row], args: argparse.Namespace, minutes: float | None = None) -> None:
    """Write what is there; minutes: of the whole bench, at its end."""
    write_json(args.out / "echo.json", {"rows": rows, "steps": args.steps, "size": args.size, "minutes": minutes})


def control(chosen: Chosen, args: argparse.Namespace) -> list[str]:
    """Move bare pixels with one preset's numbers and one kind of priors -> lines of the table."""
    name, *which = chosen
    return list(bare_rows(scene_of(name, args.size, args.seed), *([value] for value in which)))


def make_still(chosen: Chosen, args: argparse.Namespace) -> None:
    name, numbers, setting, _ = chosen
    exact_still(at_bench_size(scene_of(name, args.size, args.seed), numbers, setting, args.steps), args)


def benched(chosen: Chosen, args: argparse.Namespace) -> list[Row]:
    """Run the stages of one preset with one kind of priors on one scene."""
    name, *which = chosen
    scene = scene_of(name, args.size, args.seed)
    return list(run_row(scene, replace(eval_set_of(scene), large=None), tuple(which), args))


def _kind(c: FieldConfig) -> tuple[str, ...]:
    """Return what tells still fields of presets apart at bench size."""
    return c.density, c.index_mode, f"{c.blob_density:g}", f"{c.blob_radius:g}"


def verdict(rows: list[Row]) -> str:
    """Say how many of the moving stages hold."""
    judged = [row["holds"] == "yes" for row in rows if "holds" in row]
    return f"{sum(judged)} of {len(judged)} moving stages hold. " if judged else ""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.echo", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", nargs="+", default=["robot:sway"], metavar="SUBJECT:MOTION")
    parser.add_argument("--presets", nargs="+", default=BENCHED, choices=[p for p in PRESETS if p != "auto"])
    parser.add_argument("--settings", nargs="+", default=[parse_setting(s) for s in SETTINGS], type=parse_setting,
                        metavar="SETTING",
                        help="exact, or GAIN[:ROLE=GAIN][:pose=DEGREES][:error=RMS][:condition=SHARE][:drift]")
    parser.add_argument("--stages", nargs="+", default=STAGES[1:], choices=STAGES,
                        help="without static, a still field made by the exact priors is taken, once (%(default)s)")
    parser.add_argument("--variants", nargs="+", default=["-"], choices=[*VARIANTS, *SCORES],
                        help="of the video guidance; those of benchmarks/scores.py with --no-field alone")
    parser.add_argument("--steps", type=int, default=400, help="most steps of a stage")
    parser.add_argument("--size", type=int, default=32, help="pixels a side of renders and priors")
    parser.add_argument("--no-field", action="store_true", help="the control alone: bare pixels of one clip")
    parser.add_argument("--jobs", type=int, default=1, help="rows side by side, one thread each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("output/echo"))
    args = parser.parse_args()
    if not args.no_field and set(args.variants) - {*VARIANTS}:
        parser.error(f"{', '.join(v for v in args.variants if v not in VARIANTS)}: these need --no-field.")
    return args


def run_row(
    scene: PreparedRun, exam: EvalSet, chosen: tuple[str, Setting, str], args: argparse.Namespace
) -> Iterator[Row]:
    """Run the stages of one preset with one kind of priors, and measure each."""
    name, setting, variant = chosen
    scene = VARIANTS[variant](at_bench_size(scene, name, setting, args.steps))
    about = {"scene": scene_name(scene), "preset": name, "setting": setting.name, "variant": variant}
    field = None if "static" in args.stages else exact_still(scene, args)
    static = still_front = None
    for stage in STAGES:
        seconds = 0.0
        if stage in args.stages:
            torch.manual_seed(args.seed)
            began = time.process_time()
            field = run_stage(scene, stage, field)
            seconds = time.process_time() - began
        elif stage != "static":
            continue
        row = about | {"stage": stage, "seconds": seconds, **figures(field, scene, exam, still_front)}
        if stage == "static":
            static, still_front = row, front_of(field, scene)
        else:
            lost = faults(row, static)
            row["holds"] = "yes" if not lost else f"no: {', '.join(lost)}"
        yield row
    sheet = "_".join(part for part in about.values() if part != "-").replace(":", "_").replace(" ", "-")
    write_png(args.out / f"{sheet}.png", contact_sheet(field, scene))


def scene_name(scene: PreparedRun) -> str:
    return f"{scene.priors.truth.subject} {scene.priors.truth.motion}"


def exact_still(scene: PreparedRun, args: argparse.Namespace) -> Field4D:
    """Return the still field that demo's static stage makes of the exact priors on the preset's grid; it is kept."""
    c = scene.settings.field
    kind = "-".join(_kind(c))
    path = args.out / f"still-{scene_name(scene).replace(' ', '-')}-{kind}-{args.size}-{args.seed}.safetensors"
    if path.is_file():
        return load_field(path)
    exact = at_bench_size(scene, "demo", parse_setting("exact"), args.steps)
    optim = exact.settings.static.optim
    rate = optim.grid_lr if c.density == "softplus" else EXP_RATE
    static = replace(exact.settings.static, optim=replace(optim, grid_lr=rate))
    settings = replace(exact.settings, field=scene.settings.field, static=static)
    field = run_stage(replace(exact, settings=settings), "static", None)
    save_field(path, field)
    return field


if __name__ == "__main__":
    main()
