"""A built-in scene that the tiny set never saw, animated by it and by the exact priors, with the same settings.

python -m tools.tiny_set trains the set. Then python -m benchmarks.tiny_set learns the word for the picture, runs the
three stages with either family of priors and prints a Markdown table with the figures of `animate`. It goes on where
it was interrupted.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import torch

from a124core.cli.outputs import write_contact
from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import EvalSet, evaluate, field_renderer, static_baseline
from a124core.export.checkpoint import load_field, save_field
from a124core.field.field4d import Field4D
from a124core.priors.builtin import example_image
from a124core.protocols import Step
from a124core.reference.reference import make_reference
from a124core.stages.config import Preset, TimeConfig
from a124core.stages.loop import STAGES
from a124core.utils.device import keep_freed_pages
from a124core.utils.files import write_json
from tools.tiny_set.words import prompt

from .echo_figures import contrast
from .tiny_priors import SIZE, guidances, with_numbers, word_for

STATIC_ENTROPY = 0.1  # ten times the demo's: what a learned prior is unsure of stays fog otherwise
TICKS = 8  # a clip is 8 of 9 moments, as the set's video model learned them
FIGURES = {
    "psnr_heldout": ".1f",
    "psnr_object": ".1f",
    "psnr_reference": ".1f",
    "colour_error": ".3f",
    "iou": ".3f",
    "motion_corr": ".3f",
    "motion_amplitude": ".2f",
    "contrast": ".2f",
}
HEAD = (
    "scene", "seed", "priors", "field", "PSNR", "object", "front, t = 0", "colour error", "IoU",
    "path corr.", "path ampl.", "contrast",
)
Row = dict[str, object]


def main() -> None:
    options = _arguments()
    keep_freed_pages()
    rows = rows_of(options.out)
    for name, seed in itertools.product(options.scenes, options.seeds):
        scene = scene_of(name, seed, options.steps_scale)
        exam = replace(eval_set_of(scene), large=None)  # 256 pixels say nothing of priors that saw 32
        for family in options.priors:
            animate(rows, name, family, scene, exam, options)
    print(table(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tiny_set", description=__doc__)
    parser.add_argument("--models", type=Path, default=Path("output/tiny_set"), help="folder of the trained set")
    parser.add_argument("--scenes", nargs="+", default=["robot sway"], help="subject and motion (%(default)s)")
    parser.add_argument("--priors", nargs="+", choices=("exact", "tiny"), default=["exact", "tiny"])
    parser.add_argument("--out", type=Path, default=Path("output/tiny_runs"))
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES, help="the first so many of them")
    parser.add_argument("--steps-scale", type=float, default=1.0)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    return parser.parse_args()


def scene_of(name: str, seed: int, steps_scale: float) -> PreparedRun:
    """The built-in scene with exact priors, at the size and the moments that the tiny set knows."""
    subject, motion = name.split()
    picture, mask = example_image(subject)
    reference = make_reference(picture, mask, mask_marks="subject")
    scene = prepare(RunOptions(reference, prompt(subject, motion), motion, subject, seed, "demo", steps_scale))
    return replace(scene, settings=_settings(scene.settings))


def _settings(demo: Preset) -> Preset:
    """The preset demo in small, with cameras that stand still during a clip: both families run with these."""
    render = replace(demo.static.render, size=SIZE, reference_size=2 * SIZE)
    moving = {"render": render, "moving_camera": 0.0, "time": TimeConfig(ticks=TICKS, frames=TICKS, start_rate=0.3)}
    return Preset(
        replace(demo.field, time_grids=TICKS + 1),
        replace(demo.static, render=render, losses=replace(demo.static.losses, entropy=STATIC_ENTROPY)),
        replace(demo.coarse, **moving),
        replace(demo.fine, **moving),
    )


def animate(
    rows: list[Row], name: str, family: str, scene: PreparedRun, exam: EvalSet, options: argparse.Namespace
) -> None:
    """Static, coarse, fine, each graded; the still field, frozen, is the baseline. What has a row is not run again."""
    seed = scene.options.seed
    out = options.out / f"{name.replace(' ', '-')}-{seed}"
    out.mkdir(parents=True, exist_ok=True)
    subject, motion = name.split()
    field: Field4D | None = None
    guided = False
    for stage in options.stages:
        row: Row = {"scene": name, "seed": seed, "priors": family, "field": stage, "steps_scale": options.steps_scale}
        path = out / f"{family}-{stage}.safetensors"
        if any(row.items() <= other.items() for other in rows) and path.is_file():
            field = load_field(path)
            continue
        if not guided:
            word = out.parent / f"{subject}-{seed}.safetensors"
            scene, guided = with_priors(scene, family, word, options.models), True
        start = time.process_time()
        field = run_stage(scene, stage, field, _say)
        row["seconds"] = time.process_time() - start
        result = field_renderer(field)
        result = static_baseline(result) if stage == "static" else result
        row |= evaluate(result, exam)
        row["contrast"] = contrast(exam.heldout.render(result)[0], exam.heldout.image)
        print(json.dumps(row), flush=True)
        save_field(path, field, {"scene": name})
        write_contact(out / f"{family}-{stage}.png", result, scene)
        rows.append(row)
        write_json(options.out / "tiny_set.json", {"rows": rows})


def with_priors(scene: PreparedRun, family: str, word: Path, models: Path) -> PreparedRun:
    """The scene with priors of a family; word is where the word for its picture stands or will stand."""
    if family == "exact":
        return replace(scene, guidances=with_numbers(scene.guidances))
    options = scene.options
    learned = word_for(models, options.reference, options.subject, options.seed, word)
    return replace(scene, guidances=guidances(models, options.reference, options.subject, options.motion, learned))


def rows_of(out: Path) -> list[Row]:
    """The rows of an earlier run, or none."""
    path = out / "tiny_set.json"
    return json.loads(path.read_text())["rows"] if path.is_file() else []


def _say(step: Step) -> None:
    if step.step % 50 == 0:
        losses = ", ".join(f"{name} {value:.3g}" for name, value in step.losses.items())
        print(f"{step.stage} {step.step} of {step.steps}: {losses}", flush=True)


def table(rows: list[Row]) -> str:
    """GitHub Markdown."""
    lines = ["| " + " | ".join((*HEAD, "CPU s")) + " |", "|---" * (len(HEAD) + 1) + "|"]
    for row in rows:
        still = row["field"] == "static"
        figures = [(None if still and key.startswith("motion") else row[key], form) for key, form in FIGURES.items()]
        cells = ["-" if value is None else f"{value:{form}}" for value, form in figures]
        stage = "frozen static" if still else row["field"]
        of = (row["scene"], str(row["seed"]), row["priors"], stage)
        lines.append(f"| {' | '.join((*of, *cells))} | {row['seconds']:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
