"""Whole runs on subjects, motions and pictures that no number was tuned on: python -m benchmarks.heldout

Tuned on were the robot's sway, the snowman's jump and the snowman's bounce. Every run writes its own folder with
contact sheet, film and report.json; the table goes to OUT/heldout.md and to the screen.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from a124core.cli.ablate import begin_worker
from a124core.cli.folder import RunFolder, used_folder
from a124core.cli.machine import machine
from a124core.cli.prepare import RunOptions
from a124core.cli.run import run_pipeline
from a124core.priors.builtin import example_image
from a124core.reference.reference import Reference, make_reference

from .drawings import DRAWINGS

TUNED_ON = ("robot sway", "snowman jump", "snowman bounce")
PRIMITIVES = ("cat:dance", "turtle:walk", "rocket:fly", "teapot:nod", "duck:spin")
INFLATED = ("fish:fly", "cactus:dance", "ring:rock", "balloons:wave")
COLUMNS = (  # heading, stage, figure, format
    ("frozen", "baseline", "psnr_heldout", "{:.1f}"),
    ("coarse", "coarse", "psnr_heldout", "{:.1f}"),
    ("fine", "fine", "psnr_heldout", "{:.1f}"),
    ("fine, object", "fine", "psnr_object", "{:.1f}"),
    ("fine, 256 px", "fine", "psnr_heldout_256", "{:.1f}"),
    ("detail", "fine", "detail", "{:.2f}"),
    ("det. corr.", "fine", "detail_correlation", "{:.2f}"),
    ("worst moment", "fine", "psnr_object_worst", "{:.1f}"),
    ("best moment", "fine", "psnr_object_best", "{:.1f}"),
    ("colour, coarse", "coarse", "colour_error", "{:.3f}"),
    ("colour, fine", "fine", "colour_error", "{:.3f}"),
    ("path corr.", "fine", "motion_corr", "{:.3f}"),
    ("path ampl.", "fine", "motion_amplitude", "{:.2f}"),
    ("IoU", "fine", "iou", "{:.2f}"),
)


@dataclass(frozen=True)
class Case:
    """One scene: a built-in subject or a picture of benchmarks/drawings, and a motion."""

    subject: str
    motion: str
    inflated: bool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.heldout", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("output/heldout"))
    parser.add_argument("--primitives", nargs="*", default=list(PRIMITIVES), metavar="SUBJECT:MOTION")
    parser.add_argument("--inflated", nargs="*", default=list(INFLATED), metavar="PICTURE:MOTION")
    parser.add_argument("--preset", choices=("demo", "good"), default="demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps-scale", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, each on its share of the cores")
    options = parser.parse_args()
    cases = [Case(*text.split(":"), False) for text in options.primitives]
    cases += [Case(*text.split(":"), True) for text in options.inflated]
    threads = max(1, torch.get_num_threads() // options.jobs)
    work = [(case, options.out, options.preset, options.seed, options.steps_scale) for case in cases]
    with ProcessPoolExecutor(options.jobs, get_context("spawn"), begin_worker, (threads,)) as pool:
        reports = list(pool.map(run_case, *zip(*work, strict=True)))
    text = table(cases, reports, options.seed, threads)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "heldout.md").write_text(text, encoding="utf-8")
    print(text)


def run_case(case: Case, out: Path, preset: str, seed: int, steps_scale: float) -> dict[str, Any]:
    """One whole run; its report."""
    reference = DRAWINGS[case.subject].reference() if case.inflated else _example(case.subject)
    job = RunOptions(
        reference,
        f"a {case.subject}, {case.motion}",
        case.motion,
        None if case.inflated else case.subject,
        seed,
        preset,
        steps_scale,
    )
    folder = RunFolder(out / f"{case.subject}-{case.motion}")
    with used_folder(folder.out, print):
        report = run_pipeline(job, folder, quiet=True).report
        folder.publish()
    return report


def _example(name: str) -> Reference:
    image, mask = example_image(name)
    return make_reference(image, mask, mask_marks="subject")


def table(cases: list[Case], reports: list[dict[str, Any]], seed: int, threads: int) -> str:
    """Markdown, one line a case."""
    heads = [head for head, *_ in COLUMNS]
    lines = [
        f"Held-out scenes, seed {seed}; PSNR in dB against the built-in truth, from cameras never trained on. "
        f"No number was tuned on these; tuned on: {', '.join(TUNED_ON)}. {machine()}, {threads} thread(s) a run. "
        f"{reports[0]['note']}",
        "",
        "| scene | kind | " + " | ".join(heads) + " | stages, s |",
        "|---" * (len(heads) + 3) + "|",
    ]
    for case, report in zip(cases, reports, strict=True):
        figures = {stage["name"]: stage for stage in report["stages"]} | {"baseline": report["baseline"]}
        cells = [_cell(figures[stage].get(key), form) for _, stage, key, form in COLUMNS]
        kind = "inflated picture" if case.inflated else "primitive"
        lines.append(f"| {case.subject} {case.motion} | {kind} | {' | '.join(cells)} | {report['seconds']:.0f} |")
    return "\n".join([*lines, ""])


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None or value != value else form.format(value)


if __name__ == "__main__":
    main()
