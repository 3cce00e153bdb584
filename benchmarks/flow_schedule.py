"""Built-in priors on the schedule of a flow model, against their own of an eps-prediction: all stages, held-out views.

python -m benchmarks.flow_schedule [--scene "robot sway"] prints a Markdown table; two seeds show the noise.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch

from a124core.cli.prepare import PreparedRun
from a124core.cli.run import eval_set_of, run_stage
from a124core.evaluation.evaluate import evaluate, field_renderer, static_baseline
from a124core.priors.noise import flow_sigmas
from a124core.protocols import Guidance, Guidances
from a124core.stages.loop import STAGES
from a124core.utils.device import best_device, keep_freed_pages

from .clip_driven import prepare_scene

SHIFTS = (1.0, 3.0, 8.0)  # none; Stable Diffusion 3's; Wan's
STEPS = 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flow_schedule", description=__doc__)
    parser.add_argument("--scene", default="robot sway", help="subject and motion")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--steps-scale", type=float, default=1.0)
    parser.add_argument("--device", default=str(best_device()))
    args = parser.parse_args()
    keep_freed_pages()
    machine = f"{args.device}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{args.scene}, preset {args.preset}, {machine}\n")
    print("| schedule | seed | " + " | ".join(f"{stage}, held-out / object" for stage in STAGES) + " |")
    print("|---" * (2 + len(STAGES)) + "|")
    for seed in (0, 1):
        _row("eps-prediction", seed, prepare_scene(args.scene, argparse.Namespace(**vars(args), seed=seed)))
    for shift in SHIFTS:
        scene = prepare_scene(args.scene, argparse.Namespace(**vars(args), seed=0))
        _row(f"flow, shift {shift:g}", 0, on_flow_schedule(scene, shift))


def on_flow_schedule(scene: PreparedRun, shift: float) -> PreparedRun:
    """Give all priors of a scene the noise levels of a flow model."""

    def change(guidance: Guidance | None) -> Guidance | None:
        return guidance and replace(guidance, prior=replace(guidance.prior, sigmas=flow_sigmas(STEPS, shift)))

    return replace(scene, guidances=Guidances(**{role: change(g) for role, g in vars(scene.guidances).items()}))


def _row(schedule: str, seed: int, scene: PreparedRun) -> None:
    cells, field, eval_set = [], None, eval_set_of(scene)
    for stage in STAGES:
        field = run_stage(scene, stage, field)
        render = field_renderer(field, scene.options.device)
        figures = evaluate(static_baseline(render) if stage == "static" else render, eval_set)
        cells.append(f"{figures['psnr_heldout']:.1f} / {figures['psnr_object']:.1f} dB")
    print("| " + " | ".join((schedule, str(seed), *cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
