"""Presets against priors that err as learned ones do: python -m benchmarks.echo

Exact priors become echoes (benchmarks/echo_prior.py): they rest at a gain, which is cfg times what they hear of the
condition, and may look from wrong poses, answer in drifted colours or err anew each time. Every preset runs with its
own ratios, rates and schedules; sizes and steps are cut. A moving stage holds if the front at time 0 is within 0.5 dB
of the static stage's, IoU is not below it and there is motion. --no-field moves bare pixels in place of a field.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from a124core.cli.prepare import PreparedRun
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import EvalSet
from a124core.export.checkpoint import load_field, save_field
from a124core.export.images.sheets import write_png
from a124core.field.field4d import Field4D
from a124core.stages.loop import STAGES
from a124core.stages.presets import PRESETS
from a124core.utils.device import keep_freed_pages
from a124core.utils.files import write_json

from .bare_pixels import bare_rows
from .echo_figures import Row, contact_sheet, faults, figures, front_of, table_head, table_line
from .echo_scene import VARIANTS, Setting, at_bench_size, parse_setting, scene_of

EXP_RATE = 0.05  # of the grid, for the still field of the exact priors; demo's 0.2 is too fast for an exp density
BENCHED = ("demo", "draft", "released", "paper")
SETTINGS = ("exact", "0.6", "1.0", "1.0:pose=8:error=0.3:drift")


def main() -> None:
    args = _arguments()
    torch.set_num_threads(1)
    keep_freed_pages()
    args.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for name in args.scenes:
        scene = scene_of(name, args.size, args.seed)
        if args.no_field:
            for line in bare_rows(scene, args.presets, args.settings, args.variants):
                print(line, flush=True)
            continue
        print(table_head(), flush=True)
        exam = replace(eval_set_of(scene), large=None)
        for preset in args.presets:
            for setting in args.settings:
                for variant in args.variants:
                    for row in run_row(scene, exam, (preset, setting, variant), args):
                        rows.append(row)
                        print(table_line(row), flush=True)
                        write_json(args.out / "echo.json", {"rows": rows, "steps": args.steps, "size": args.size})


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
    parser.add_argument("--variants", nargs="+", default=["-"], choices=VARIANTS, help="of the video guidance")
    parser.add_argument("--steps", type=int, default=400, help="most steps of a stage")
    parser.add_argument("--size", type=int, default=32, help="pixels a side of renders and priors")
    parser.add_argument("--no-field", action="store_true", help="bare pixels of one clip in place of a field")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("output/echo"))
    return parser.parse_args()


def run_row(
    scene: PreparedRun, exam: EvalSet, chosen: tuple[str, Setting, str], args: argparse.Namespace
) -> Iterator[Row]:
    """Run the stages of one preset with one kind of priors, and measure each."""
    preset, setting, variant = chosen
    scene = VARIANTS[variant](at_bench_size(scene, preset, setting, args.steps))
    about = {"scene": scene_name(scene), "preset": preset, "setting": setting.name, "variant": variant}
    field = None if "static" in args.stages else exact_still(scene, preset, args)
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


def exact_still(scene: PreparedRun, preset: str, args: argparse.Namespace) -> Field4D:
    """Return the still field that demo's static stage makes of the exact priors on the preset's grid; it is kept."""
    c = scene.settings.field
    kind = f"{c.density}-{c.index_mode}-{c.blob_density:g}-{c.blob_radius:g}"
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
