"""A clip as the video guidance: built-in scenes driven by their own reference view, against the built-in video prior.

python -m benchmarks.clip_driven [--scenes "robot sway" "cat dance"] prints a Markdown table. Both coarse stages start
from the same still field, with the same settings and seed. Held-out views are the evaluation's 8 cameras x 8 times.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace

import torch

from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import EvalSet, evaluate, field_renderer, static_baseline
from a124core.field.field4d import Field4D
from a124core.priors.builtin import example_image
from a124core.priors.video_clip import clip_guidance
from a124core.protocols import Guidance
from a124core.reference.reference import make_reference
from a124core.utils.device import best_device, keep_freed_pages

SCENES = ("robot sway", "cat dance")
CLIP_SIZE = 256  # pixels a side, as a video model or a phone would be reduced to
HEAD = (
    "scene",
    "coarse stage",
    "held-out PSNR",
    "object PSNR",
    "front PSNR",
    "motion corr",
    "amplitude",
    "colour error",
)


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    scene: str
    what: str
    figures: dict[str, float | None]
    front: float
    seconds: float | None = None


def main() -> None:
    args = _arguments()
    keep_freed_pages()
    rows = [row for name in args.scenes for row in _rows(name, args)]
    print(f"preset {args.preset}, {args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}\n")
    print(table(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clip_driven", description=__doc__)
    parser.add_argument("--scenes", nargs="+", default=SCENES, help="subject and motion")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--frames", type=int, default=17, help="frames of the clip")
    parser.add_argument("--steps-scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default=str(best_device()))
    return parser.parse_args()


def _rows(name: str, args: argparse.Namespace) -> list[Row]:
    """Still, built-in video prior, clip."""
    scene = prepare_scene(name, args)
    exam = eval_set_of(scene)
    still, _ = _timed(scene, "static", None)
    rows = [_graded(name, "none: the still field", still, exam, scene, None)]
    for what, wired in (
        ("built-in video prior", scene),
        ("clip", _with_video(scene, own_clip(scene, args.frames))),
    ):
        field, seconds = _timed(wired, "coarse", still)
        rows.append(_graded(name, what, field, exam, scene, seconds))
    return rows


def prepare_scene(name: str, args: argparse.Namespace) -> PreparedRun:
    subject, motion = name.split()
    picture, mask = example_image(subject)
    reference = make_reference(picture, mask, mask_marks="subject")
    return prepare(
        RunOptions(
            reference, f"a {subject}", motion, subject, args.seed, args.preset, args.steps_scale, device=args.device
        )
    )


def own_clip(scene: PreparedRun, frames: int) -> Guidance:
    """What a camera at the reference view would film of the truth, as IMAGE and MASK."""
    camera, truth = scene.options.reference.camera, scene.priors.truth
    where = camera[torch.zeros(frames, dtype=torch.long)]
    image, mask = truth.render(where, torch.linspace(0, 1, frames), CLIP_SIZE)
    return clip_guidance(image, mask, None, scene.options.reference, scene.settings.coarse.render.size, "subject")


def _with_video(scene: PreparedRun, video: Guidance) -> PreparedRun:
    return replace(scene, guidances=replace(scene.guidances, video=video))


def _timed(scene: PreparedRun, stage: str, field: Field4D | None) -> tuple[Field4D, float]:
    """CPU seconds of the process on a CPU, so that a busy machine does not count; else seconds by the clock."""
    clock = time.process_time if scene.options.device == "cpu" else time.perf_counter
    began = clock()
    result = run_stage(scene, stage, field)
    return result, clock() - began


def _graded(name: str, what: str, field: Field4D, exam: EvalSet, scene: PreparedRun, seconds: float | None) -> Row:
    """The exam's figures, and PSNR from the reference camera over the same times."""
    result = field_renderer(field, scene.options.device)
    result = static_baseline(result) if field.table.shape[0] == 1 else result
    camera = scene.options.reference.camera
    times = torch.linspace(0, 1, 8)
    where, size = camera[torch.zeros(8, dtype=torch.long)], exam.heldout.size
    image, _ = result(where, times, size)
    truth, _ = scene.priors.truth.render(where, times, size)
    error = (image - truth).square().flatten(1).mean(1)
    return Row(name, what, evaluate(result, exam), float((-10 * error.log10()).mean()), seconds)


def table(rows: list[Row]) -> str:
    """GitHub Markdown."""
    lines = ["| " + " | ".join((*HEAD, "CPU seconds")) + " |", "|---" * (len(HEAD) + 1) + "|"]
    for row in rows:
        f = row.figures
        values = [f["psnr_heldout"], f["psnr_object"], row.front]
        cells = [f"{v:.1f} dB" for v in values]
        cells += [_number(f[key]) for key in ("motion_corr", "motion_amplitude", "colour_error")]
        cells.append("" if row.seconds is None else f"{row.seconds:.0f}")
        lines.append("| " + " | ".join((row.scene, row.what, *cells)) + " |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
