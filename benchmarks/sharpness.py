"""What sharpens a moving scene, each change of the fine stage alone: python -m benchmarks.sharpness

One static and one coarse stage for each scene, kept in OUT, then the fine stage with one change after another, from the
same coarse field and seed. --set changes the preset under all of them, for instance field.max_resolution=144. Seconds
are those of the process: the first change of a start also pays for pictures that the priors draw and keep. Each line is
printed and kept when it is there: a second start goes on. A contact sheet at 256 px of each: truth over result, from
the front and from the side."""

from __future__ import annotations

import argparse
import ast
import json
import time
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from a124core.cameras.rig import make_cameras
from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import EvalSet, evaluate, field_renderer
from a124core.export.checkpoint import load_field, save_field
from a124core.export.images.sheets import draw_contact_sheet, write_png
from a124core.field.field4d import Field4D
from a124core.priors.builtin import example_image
from a124core.reference.reference import Reference, make_reference
from a124core.utils.device import keep_freed_pages

from .drawings import TUNED_ON

SCENES = ("robot:sway", "snowman:jump", "dog:wag")  # tuned on; the last is an own picture, of benchmarks/drawings
VARIANTS: dict[str, dict[str, Any]] = {  # changes of the preset, by dotted names
    "as it is": {},
    "as it was": {
        "render.size": 64, "render.samples": 96, "steps": 250, "optim.beta1": 0.9, "time.sampling": "balanced",
        "time.start_rate": 0.3, "render.pixel_variance": 0.0, "condition_size": 0,
    },
    "rays count as pixels": {"render.pixel_variance": 0.0},
    "pixels as wide as their square": {"render.pixel_variance": 1 / 12},
    "condition as large as the clip": {"condition_size": 0},
    "64 pixels": {"render.size": 64},
    "128 pixels": {"render.size": 128},
    "320 steps": {"steps": 320},
    "1,000 steps": {"steps": 1000},
    "rates fall to 2 %": {"optim.lr_end": 0.02},
    "half the rate": {"optim.grid_lr": 0.1},
    "moments of 0.9": {"optim.beta1": 0.9},
    "no step without a gradient": {"optim.eps": 1e-7},
    "times balanced": {"time.sampling": "balanced", "time.start_rate": 0.3},
    "temporal TV 0.02": {"losses.time_tv": 0.02, "losses.time_tv_form": "decoupled"},
    "8 frames, 320 steps": {"time.frames": 8, "refine_frames": 8, "steps": 320},
    "192 samples": {"render.samples": 192},
    "colours at half the rate": {"optim.mlp_lr": 1.5e-3},
    "no entropy": {"losses.entropy": 0.0},
    "light ends rays": {"render.early_stop": True},
    "a sweep every fourth update": {"render.occupancy_sweep": 4},
}
HEADS = ("PSNR", "object", "256 px", "detail", "det. corr.", "worst", "best", "CPU s")
FIGURES = ("psnr_heldout", "psnr_object", "psnr_heldout_256", "detail", "detail_correlation", "psnr_object_worst",
           "psnr_object_best")
SHEET_TIMES, SHEET_SIZE = (0.0, 0.2, 0.4, 0.6, 0.8), 256


@dataclass(frozen=True)
class Scene:
    """A prepared run, its truth, and the field that the fine stage begins with."""

    stem: str  # of its files
    prepared: PreparedRun
    eval_set: EvalSet
    coarse: Field4D


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    args.out.mkdir(parents=True, exist_ok=True)
    print("| scene | fine stage | " + " | ".join(HEADS) + " |\n" + "|---" * (len(HEADS) + 2) + "|", flush=True)
    for name in args.scenes:
        scene = prepared_scene(name, args)
        for variant in args.variants or VARIANTS:
            print(row(name, variant, figures_of(scene, variant, args.out)), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sharpness", description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), metavar="SUBJECT:MOTION")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, metavar="NAME", help=", ".join(VARIANTS))
    parser.add_argument("--preset", default="demo", choices=("demo", "good"))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="changes of the preset by dotted "
                        "names: field.max_resolution=144 coarse.render.occupancy_slices=16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("output/sharpness"))
    return parser.parse_args()


def scene_reference(subject: str) -> Reference:
    """Return an own picture of benchmarks/drawings, or a built-in subject's."""
    if subject in TUNED_ON:
        return TUNED_ON[subject].reference()
    image, mask = example_image(subject)
    return make_reference(image, mask, mask_marks="subject")


def prepared_scene(name: str, args: argparse.Namespace) -> Scene:
    """Run static and coarse, or read the coarse field that an earlier start kept."""
    subject, motion = name.split(":")
    own = subject in TUNED_ON
    options = RunOptions(
        scene_reference(subject), f"a {subject}", motion, None if own else subject, args.seed, args.preset
    )
    prepared = prepare(options)
    prepared = replace(prepared, settings=changed(prepared.settings, parsed_changes(args.set)))
    stem = "-".join((subject, motion, args.preset, str(args.seed), *sorted(args.set)))
    kept = args.out / f"{stem}-coarse.safetensors"
    if not kept.is_file():
        static = run_stage(prepared, "static", None)
        save_field(kept, run_stage(prepared, "coarse", static), {})
    return Scene(stem, prepared, eval_set_of(prepared), load_field(kept))


def parsed_changes(texts: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE; a value is a number, or a word as it stands."""
    changes = {}
    for name, value in (text.split("=", 1) for text in texts):
        try:
            changes[name] = ast.literal_eval(value)
        except ValueError:
            changes[name] = value
    return changes


def changed(config: Any, changes: dict[str, Any]) -> Any:
    """Return a config with other values by dotted names; those of one part together, for a part checks itself."""
    parts: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        head, _, rest = name.partition(".")
        parts.setdefault(head, {})[rest] = value
    values = {}
    for head, inner in parts.items():
        part = getattr(config, head)
        values[head] = changed(part, inner) if is_dataclass(part) else inner[""]
    return replace(config, **values)


def figures_of(scene: Scene, variant: str, out: Path) -> dict[str, float | None]:
    """Run the fine stage with one change and measure it, or read what an earlier start measured."""
    stem = f"{scene.stem}-{variant.replace(' ', '-')}"
    kept = out / f"{stem}.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    fine = changed(scene.prepared.settings.fine, VARIANTS[variant])
    prepared = replace(scene.prepared, settings=replace(scene.prepared.settings, fine=fine))
    began = time.process_time()
    field = run_stage(prepared, "fine", scene.coarse)
    figures = {"cpu_seconds": time.process_time() - began, **evaluate(field_renderer(field), scene.eval_set)}
    write_sheet(out / f"{stem}.png", prepared, field)
    kept.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return figures


def write_sheet(path: Path, prepared: PreparedRun, field: Field4D) -> None:
    """Truth over result from the front and from the side."""
    camera, times = prepared.camera, torch.tensor(SHEET_TIMES)
    rows: list[Tensor] = []
    for turn in (0.0, 90.0):
        azimuth = [float(camera.azimuth) + turn] * len(times)
        cameras = make_cameras(float(camera.elevation), azimuth, float(camera.radius), float(camera.fovy))
        rows += [draw(cameras, times, SHEET_SIZE)[0] for draw in (prepared.priors.truth.render, field_renderer(field))]
    labels = ["truth, front", "result, front", "truth, side", "result, side"]
    write_png(path, draw_contact_sheet(rows, labels, [f"time {t:.1f}" for t in SHEET_TIMES], prepared.options.prompt))


def row(scene: str, variant: str, figures: dict[str, float | None]) -> str:
    """Return a line of the table."""
    cells = [f"{figures[name]:.2f}" for name in FIGURES] + [f"{figures['cpu_seconds']:.0f}"]
    return f"| {scene.replace(':', ' ')} | {variant} | {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
