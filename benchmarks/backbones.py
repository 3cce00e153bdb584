"""The backbones on a built-in scene, with the same seed and steps: python -m benchmarks.backbones

Static and coarse stage of *demo*. PSNR in dB against the built-in truth from cameras never trained on, relative to the
reference camera, which stands at 45 degrees for HexPlane. Writes a contact sheet of each."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from a124core.cameras.rig import reference_camera
from a124core.cli.machine import machine
from a124core.cli.outputs import write_contact
from a124core.cli.prepare import PreparedRun, RunOptions, prepare
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import Metrics, evaluate, field_renderer, static_baseline
from a124core.field.config import BACKBONES
from a124core.field.field4d import Field4D
from a124core.field.hexplane import default_azimuth
from a124core.priors.builtin import example_image
from a124core.reference.reference import make_reference

FIGURES = (("psnr_heldout", "{:.1f}"), ("psnr_object", "{:.1f}"), ("psnr_reference", "{:.1f}"), ("iou", "{:.2f}"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backbones", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("output/backbones"))
    parser.add_argument("--scene", default="robot:sway", metavar="SUBJECT:MOTION")
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=list(BACKBONES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps-scale", type=float, default=1.0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{options.scene}, seed {options.seed}, steps x {options.steps_scale:g}, {machine()}", flush=True)
    print("| backbone | stage | held-out | object | reference | IoU | parameters | s a step |")
    print("|---" * 8 + "|", flush=True)
    for backbone in options.backbones:
        run_backbone(backbone, options)


def run_backbone(backbone: str, options: argparse.Namespace) -> None:
    """Print a line for the frozen static field, and one for the coarse one."""
    subject, motion = options.scene.split(":")
    image, mask = example_image(subject, 256)
    camera = reference_camera(azimuth=default_azimuth(backbone))
    reference = make_reference(image, mask, mask_marks="subject", camera=camera)
    prepared = prepare(RunOptions(
        reference, f"a {subject}, {motion}", motion, subject, options.seed, "demo", options.steps_scale,
        skip=("fine",), backbone=backbone,
    ))
    eval_set, field = replace(eval_set_of(prepared), large=None, path=None), None
    for stage in prepared.stages:
        began = time.process_time()
        field = run_stage(prepared, stage, field)
        seconds = (time.process_time() - began) / prepared.config(stage).steps
        render = field_renderer(field)
        metrics = evaluate(static_baseline(render) if stage == "static" else render, eval_set)
        print(line(backbone, stage, metrics, field, seconds), flush=True)
    write_sheet(options.out / f"{backbone.replace(' ', '-')}.png", field, prepared)


def line(backbone: str, stage: str, metrics: Metrics, field: Field4D, seconds: float) -> str:
    """Return a line of the table; seconds are the processor's."""
    figures = [form.format(metrics[name]) for name, form in FIGURES]
    parameters = sum(value.numel() for value in field.parameters.values())
    return f"| {' | '.join([backbone, stage, *figures, f'{parameters:,}', f'{seconds:.2f}'])} |"


def write_sheet(path: Path, field: Field4D, prepared: PreparedRun) -> None:
    """Truth over result from three sides at six times."""
    write_contact(path, field_renderer(field), prepared)


if __name__ == "__main__":
    main()
